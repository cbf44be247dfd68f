"""A container's command as a process: from a host image directly, from others in a chroot."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.ecs.containers import CannotPullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.runner.images import Image

_PYTHON: Final = re.compile(r"(.*/)?python3?(\.\d+)?")
_ENTER: Final = Path(__file__).with_name("enter.py")
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Command:
    """What to start, and how to start something else in the same surroundings."""

    argv: list[str]
    environment: dict[str, str]
    working_directory: Path
    beside: Callable[[list[str]], list[str]]
    """Turns a command inside the container into one for this machine."""


def host_python() -> str:
    """This interpreter as the label of a host image names it, e.g. cpython-311-linux_x86_64."""
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"{sys.implementation.cache_tag}-{platform}"


@cache
def can_change_root() -> bool:
    """Whether this machine lets this user mount and change the root directory."""
    if shutil.which("unshare") is None:
        return False
    probe = subprocess.run(
        [*_unshare(), "true"], capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    return probe.returncode == 0


def _unshare() -> list[str]:
    command = ["unshare", "--mount"]
    return command if os.getuid() == 0 else [*command, "--map-root-user"]


def build(image: Image, root: Path, directory: Path, arguments: dict[str, Any]) -> Command:
    """Return the command for a container.

    Args:
        image: what it is made from.
        root: the image, unpacked.
        directory: the container's own directory.
        arguments: those of Docker's `containers.run`.

    Raises:
        CannotPullError: the image cannot run on this machine; the message says why.
    """
    if image.host_python is not None:
        return _on_host(image, root, directory, arguments)
    if can_change_root():
        return _in_chroot(image, root, directory, arguments)
    raise CannotPullError(
        f"{image.reference} has a base image, and this machine has neither a Docker engine nor "
        "the right to unshare(1); start Docker or Podman, or push host images"
    )


def _words(image: Image, arguments: dict[str, Any]) -> list[str]:
    """Docker's rule: an entry point that is given discards the image's command."""
    given = arguments.get("entrypoint")
    entry = given or image.config.get("Entrypoint") or []
    command = arguments.get("command") or ([] if given else image.config.get("Cmd")) or []
    return [*_as_list(entry), *_as_list(command)]


def _as_list(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _environment(image: Image, arguments: dict[str, Any]) -> dict[str, str]:
    declared = dict(entry.split("=", 1) for entry in image.config.get("Env") or ())
    return {"PATH": _DEFAULT_PATH, **declared, **(arguments.get("environment") or {})}


def _scratch(directory: Path, arguments: dict[str, Any]) -> dict[str, Path]:
    """The container's writable volumes: a directory for each, /tmp always among them."""
    volumes = {}
    for path in dict.fromkeys(["/tmp", *(arguments.get("tmpfs") or {})]):  # noqa: S108 - inside
        volume = directory / "volumes" / path.strip("/").replace("/", "-")
        volume.mkdir(parents=True, exist_ok=True)
        volume.chmod(0o1777)
        volumes[path] = volume
    return volumes


def _on_host(image: Image, root: Path, directory: Path, arguments: dict[str, Any]) -> Command:
    if image.host_python != host_python():
        raise CannotPullError(
            f"{image.reference} was made for {image.host_python}, and this is {host_python()}; "
            "push it again with this interpreter"
        )
    volumes = _scratch(directory, arguments)

    def mapped(path: str) -> str:
        """A path inside the image as one on this machine, where it is one."""
        if not path.startswith("/"):
            return path
        for inside, outside in volumes.items():
            if path == inside or path.startswith(inside + "/"):
                return str(outside) + path.removeprefix(inside)
        candidate = root / path.lstrip("/")
        return str(candidate) if candidate.exists() else path

    def argv(words: list[str]) -> list[str]:
        first, *rest = words
        # Not this virtual environment's: only what was pushed may be importable.
        program = _base_interpreter() if _PYTHON.fullmatch(first) else mapped(first)
        return [program, *(mapped(word) for word in rest)]

    declared = set(arguments.get("environment") or {})
    environment = {
        name: value
        if name in declared or name == "PATH"
        else ":".join(mapped(part) for part in value.split(":"))
        for name, value in _environment(image, arguments).items()
    }
    environment["PATH"] = os.environ.get("PATH", _DEFAULT_PATH)
    environment["PYTHONNOUSERSITE"] = "1"
    environment["TMPDIR"] = str(volumes["/tmp"])  # noqa: S108 - the container's own
    working = arguments.get("working_dir") or image.config.get("WorkingDir") or "/"
    inside = root / working.lstrip("/")
    return Command(
        argv=argv(_words(image, arguments)),
        environment=environment,
        working_directory=inside if inside.is_dir() else root,
        beside=argv,
    )


def _base_interpreter() -> str:
    base: str = getattr(sys, "_base_executable", sys.executable)
    return base


def _in_chroot(image: Image, root: Path, directory: Path, arguments: dict[str, Any]) -> Command:
    user = str(arguments.get("user") or image.config.get("User") or "0")
    plan = {
        "root": str(root),
        "volumes": {path: str(volume) for path, volume in _scratch(directory, arguments).items()},
        "read_only": bool(arguments.get("read_only")),
        "user": user if os.getuid() == 0 else "0",
        "directory": arguments.get("working_dir") or image.config.get("WorkingDir") or "/",
    }

    def enter(words: list[str]) -> list[str]:
        return [*_unshare(), sys.executable, "-IS", str(_ENTER), json.dumps(plan), *words]

    return Command(
        argv=enter(_words(image, arguments)),
        environment=_environment(image, arguments),
        working_directory=directory,
        beside=enter,
    )
