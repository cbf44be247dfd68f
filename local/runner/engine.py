"""The Docker engine, or Podman's Docker-compatible API, where one answers."""

from __future__ import annotations

import ipaddress
import json
import os
import resource
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOCKETS: Final = (
    "/var/run/docker.sock",
    "{home}/.docker/run/docker.sock",
    "{home}/.colima/default/docker.sock",
    "{runtime}/docker.sock",
    "{runtime}/podman/podman.sock",
    "/run/podman/podman.sock",
)
_TIMEOUT_SECONDS: Final = 30
_PODMAN_START_SECONDS: Final = 10
_PODMAN_PULL: Final = "/v4.0.0/libpod/images/pull"


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    client: Any
    """docker.DockerClient."""
    description: str
    url: str
    host: str
    """The name or address under which containers reach this machine."""
    bind: str | None
    """A further address of this machine on which the API must listen for that."""
    host_network: bool
    """Whether containers share this machine's network, since nothing else leads to it."""
    podman: bool = False
    service: subprocess.Popen[bytes] | None = None
    """The Podman service that was started for this, if one was."""

    def pull_without_tls(self, reference: str, **options: Any) -> Any:
        """Fetch an image from a registry on this machine.

        Docker asks those without TLS by itself. Podman has to be told, for which Docker's API has
        no word.

        Args:
            reference: what to fetch.
            options: those of Docker's `images.pull`.

        Raises:
            docker.errors.APIError: the registry does not give it.
        """
        if not self.podman:
            return self.client.images.pull(reference, **options)
        import docker
        from docker.auth import encode_header

        system, _, architecture = (options.get("platform") or "linux").partition("/")
        api, auth = self.client.api, options.get("auth_config")
        response = api.post(
            f"{api.base_url}{_PODMAN_PULL}",
            params={
                "reference": reference,
                "tlsVerify": "false",
                "OS": system,
                **({"Arch": architecture} if architecture else {}),
            },
            headers={"X-Registry-Auth": encode_header(auth)} if auth else {},
            timeout=None,
        )
        # It answers with one JSON object a line, of which the last may be an error.
        last = json.loads(response.text.strip().splitlines()[-1])
        if "error" in last or not response.ok:
            said = last.get("error") or last.get("message")
            raise docker.errors.APIError(f"{reference}: {said}", response)
        return self.client.images.get(reference)

    def need(self, reference: str, **options: Any) -> None:
        """Fetch an image from a registry on this machine if the engine does not hold it.

        Args:
            reference: what to fetch.
            options: those of Docker's `images.pull`.

        Raises:
            docker.errors.APIError: the registry does not give it.
        """
        import docker

        try:
            self.client.images.get(reference)
        except docker.errors.ImageNotFound:
            self.pull_without_tls(reference, **options)

    def limits(self) -> dict[str, int]:
        """The limits that containers must be given, by their names in ulimit(1).

        As root Podman gives each container limits of its own choice. Without CAP_SYS_RESOURCE, as
        inside a container, none can be raised and no container would start; so those of a service
        that was started here get what that service has.
        """
        if self.service is None:
            return {}
        limits = {
            name: resource.prlimit(self.service.pid, number)[1]
            for name, number in (
                ("nofile", resource.RLIMIT_NOFILE),
                ("nproc", resource.RLIMIT_NPROC),
            )
        }
        return {name: hard for name, hard in limits.items() if hard != resource.RLIM_INFINITY}

    def close(self) -> None:
        """Stop the service that was started for this."""
        if self.service is not None:
            self.service.terminate()
            self.service.wait()


def find(directory: Path) -> Engine | None:
    """Return the engine that answers: DOCKER_HOST's, Docker's or Podman's.

    Args:
        directory: where a Podman service that has to be started puts its socket.
    """
    for url in _urls():
        engine = _connect(url)
        if engine is not None:
            return engine
    if os.environ.get("DOCKER_HOST"):
        return None
    return _start_podman(directory)


def _urls() -> Iterator[str]:
    if os.environ.get("DOCKER_HOST"):
        yield os.environ["DOCKER_HOST"]
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    for pattern in _SOCKETS:
        path = pattern.format(home=Path.home(), runtime=runtime)
        if Path(path).exists():
            yield f"unix://{path}"


def _connect(url: str) -> Engine | None:
    if url.startswith("unix://") and not Path(url.removeprefix("unix://")).exists():
        return None
    # Only here: importing Docker's SDK costs a third of the start.
    import docker

    try:
        client = docker.DockerClient(base_url=url, timeout=_TIMEOUT_SECONDS)
        version, info = client.version(), client.info()
    except (docker.errors.DockerException, OSError):
        return None
    components = " ".join(part.get("Name", "") for part in version.get("Components") or ())
    name = "Podman" if "Podman" in components else "Docker"
    description = f"{name} {version['Version']} at {url}"
    if "Docker Desktop" in info.get("OperatingSystem", ""):
        # It forwards this name to the loopback interface of the machine outside its VM.
        return Engine(client, description, url, "host.docker.internal", None, host_network=False)
    if name == "Podman":
        # Its bridge exists only while a container uses it, and without root not on this machine.
        return Engine(client, description, url, "127.0.0.1", None, host_network=True, podman=True)
    gateway = _bridge_gateway(client)
    if gateway and _is_local_address(gateway):
        return Engine(client, description, url, gateway, gateway, host_network=False)
    return Engine(client, description, url, "127.0.0.1", None, host_network=True)


def _bridge_gateway(client: Any) -> str | None:
    """The address of this machine on the engine's default network."""
    import docker

    try:
        (configuration, *_) = client.networks.get("bridge").attrs["IPAM"]["Config"]
    except (docker.errors.DockerException, KeyError, TypeError, ValueError):
        return None
    gateway: str | None = configuration.get("Gateway")
    if gateway is None:
        # A fresh engine names only the subnet, of which it takes the first address.
        gateway = str(next(ipaddress.ip_network(configuration["Subnet"]).hosts()))
    return gateway


def _is_local_address(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _start_podman(directory: Path) -> Engine | None:
    if shutil.which("podman") is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "podman.sock"
    path.unlink(missing_ok=True)
    service = subprocess.Popen(
        [*_tie(), "podman", "system", "service", "--time=0", f"unix://{path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + _PODMAN_START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        engine = _connect(f"unix://{path}")
        if engine is not None:
            return replace(engine, service=service)
        time.sleep(0.1)
    service.terminate()
    service.wait()
    return None


def _tie() -> list[str]:
    """What ends a command when this process is killed before it can."""
    tie = ["setpriv", "--pdeathsig=TERM"]
    if shutil.which(tie[0]) is None:
        return []
    # BusyBox has a setpriv without this option.
    probe = subprocess.run([*tie, "true"], capture_output=True, check=False)
    return tie if probe.returncode == 0 else []
