"""Docker and Podman, by their command lines."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from fargate_batch.errors import UserError
from imaging import targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging.registry.authentication import Credentials

Choice = Literal["auto", "docker", "podman", "none"]

_ANSWER_SECONDS: Final = 20
_SHOWN_LINES: Final = 25

# Fargate's platform, where the engine's own is another one. Where it is the same nothing is said,
# because the oldest builders take the option for an experiment.
_NATIVE: Final = platform.machine().lower() in ("x86_64", "amd64")
_PLATFORM: Final = () if _NATIVE else (f"--platform=linux/{targets.BASE_ARCHITECTURE}",)
# As root Podman chooses the limits itself. Without CAP_SYS_RESOURCE, as inside a container, none
# can be raised and no container would start; so little is asked for.
_LIMITS: Final = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")


class EngineError(UserError):
    """An engine's command failed; the message ends with what it said."""


@dataclass(frozen=True)
class Engine:
    """A container engine that answers."""

    command: str
    podman: bool
    host: str | None
    """Where Docker's engine listens, as far as the user's own configuration says so."""
    storage: Path | None
    """Where the engine keeps images, if that is on this machine."""

    @property
    def name(self) -> str:
        """For people."""
        return "Podman" if self.podman else "Docker"

    def has(self, image: str) -> bool:
        """Whether the engine holds an image."""
        return _run([self.command, "image", "inspect", image]).returncode == 0

    def pull(self, image: str) -> None:
        """Fetch an image.

        Raises:
            EngineError: its registry does not give it.
        """
        self._do([self.command, "pull", *_PLATFORM, image], f"pull {image}")

    def python_version(self, image: str) -> str:
        """The version of the image's python3, e.g. 3.13.2.

        Raises:
            EngineError: it has none, or does not run here.
        """
        command = [self.command, "run", "--rm", *_PLATFORM, "--network=none"]
        command += [*(_LIMITS if self.podman else ()), "--entrypoint=python3", image]
        code = "import platform; print(platform.python_version())"
        return self._do([*command, "-c", code], f"run python3 in {image}").strip()

    def build(self, context: Path, image: str, arguments: Mapping[str, str]) -> None:
        """Build the context's Dockerfile.

        Raises:
            EngineError: the build fails.
        """
        command = [self.command, "build", *_PLATFORM, "--tag", image]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        # Attestations would make an index of the image; a task definition names one image.
        self._do(
            [*command, str(context)], f"build {image}", {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        )

    def push(self, image: str, registry: str, credentials: Credentials, *, tls: bool) -> None:
        """Push an image; the credentials are given for this one push and kept nowhere.

        Raises:
            EngineError: the registry refuses the credentials or the image.
        """
        with tempfile.TemporaryDirectory() as private:
            before, login, push = self._private_options(Path(private), tls=tls)
            user = ["--username", credentials.user, "--password-stdin", registry]
            self._do(
                [self.command, *before, "login", *login, *user],
                f"log in to {registry}",
                given=credentials.password,
            )
            self._do([self.command, *before, "push", *push, image], f"push {image}")

    def _private_options(
        self, folder: Path, *, tls: bool
    ) -> tuple[list[str], list[str], list[str]]:
        if self.podman:
            options = [
                f"--authfile={folder / 'auth.json'}",
                *([] if tls else ["--tls-verify=false"]),
            ]
            return [], options, options
        # Another configuration folder would also mean another context, so its engine is named.
        engine = ["--host", self.host] if self.host else []
        return ["--config", str(folder), *engine], [], []

    def _do(
        self,
        command: Sequence[str],
        deed: str,
        environment: Mapping[str, str] | None = None,
        given: str = "",
    ) -> str:
        result = _run(command, environment, given)
        if result.returncode != 0:
            said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-_SHOWN_LINES:])
            raise EngineError(f"{self.name} cannot {deed}:\n{said}")
        return result.stdout


def find(choice: Choice) -> Engine | None:
    """The engine that answers; None when none does, or none is wanted.

    Raises:
        UserError: one is asked for by name and does not answer.
    """
    candidates = {"auto": ("docker", "podman"), "none": ()}.get(choice, (choice,))
    for command in candidates:
        engine = _answering(command)
        if engine is not None:
            return engine
    if candidates and choice != "auto":
        raise UserError(
            f"The engine '{choice}', which is asked for, does not answer here. Start it, or ask "
            "for auto: engine: auto in !image_push, --engine auto in `python -m imaging push`."
        )
    return None


def _answering(command: str) -> Engine | None:
    if shutil.which(command) is None:
        return None
    # Podman may be installed under Docker's name.
    podman = "podman" in _run([command, "--version"]).stdout.lower()
    field = "{{.Store.GraphRoot}}" if podman else "{{.DockerRootDir}}"
    answer = _run([command, "info", "--format", field])
    if answer.returncode != 0 or not answer.stdout.strip():
        return None
    storage = Path(answer.stdout.strip().splitlines()[-1])
    host = None if podman else _docker_host(command)
    return Engine(command, podman, host, storage if storage.is_dir() else None)


def _docker_host(command: str) -> str | None:
    if "DOCKER_HOST" in os.environ:
        return os.environ["DOCKER_HOST"]
    answer = _run([command, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
    return answer.stdout.strip() or None


def _run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> subprocess.CompletedProcess[str]:
    quick = command[1] in ("--version", "info", "context")
    try:
        return subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            input=given,
            text=True,
            capture_output=True,
            check=False,
            timeout=_ANSWER_SECONDS if quick else None,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {_ANSWER_SECONDS} s")
