"""The Docker engine, or Podman's Docker-compatible API, where one answers."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
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
    # It ends with this process: the service stops when its parent's session does.
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + _PODMAN_START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        engine = _connect(f"unix://{path}")
        if engine is not None:
            return engine
        time.sleep(0.1)
    service.terminate()
    service.wait()
    return None
