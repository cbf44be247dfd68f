"""What the wheels in an image must fit: an interpreter and a platform."""

from __future__ import annotations

import platform
import sys
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.markers import default_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

# The one place that says what the base image holds. Another base image with another Python or an
# older C library means a change here; a build with an engine compares it with the base itself.
BASE_PYTHON: Final = (3, 13)
BASE_GLIBC_MINOR: Final = 36

# Fargate tasks run on X86_64; architectures carry the names that OCI images use.
# https://github.com/opencontainers/image-spec/blob/main/image-index.md
BASE_ARCHITECTURE: Final = "amd64"
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

HOST_LABEL: Final = "batch.host-python"
"""On a host image: the interpreter and platform that its wheels fit."""


@dataclass(frozen=True)
class Target:
    """An interpreter on a platform."""

    label: str
    """E.g. cpython-313-linux_x86_64; it serves in tags, labels and cache keys."""
    architecture: str
    """As OCI images name it."""
    markers: Mapping[str, str]
    """The values of environment markers (PEP 508) there."""
    pip_options: tuple[str, ...]
    """What makes pip choose wheels for it; nothing for the interpreter that runs pip."""


def base() -> Target:
    """The interpreter in the base image."""
    major, minor = BASE_PYTHON
    version = f"{major}.{minor}"
    # pip takes exactly the platforms it is given, so each C library up to the base's is named.
    platforms = [f"manylinux_2_{glibc}_x86_64" for glibc in range(BASE_GLIBC_MINOR, 16, -1)]
    options = [f"--platform={name}" for name in [*platforms, "manylinux2014_x86_64"]]
    return Target(
        label=f"cpython-{major}{minor}-linux_x86_64",
        architecture=BASE_ARCHITECTURE,
        markers={
            "implementation_name": "cpython",
            "implementation_version": f"{version}.0",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{version}.0",
            "python_version": version,
            "sys_platform": "linux",
        },
        pip_options=(*options, "--implementation=cp", f"--python-version={version}"),
    )


def host() -> Target:
    """The interpreter that runs this, on this machine."""
    machine = platform.machine()
    return Target(
        label=host_label(),
        architecture=_ARCHITECTURES.get(machine.lower(), machine.lower()),
        markers={key: str(value) for key, value in default_environment().items()},
        pip_options=(),
    )


def host_label() -> str:
    """E.g. cpython-311-linux_x86_64: what `HOST_LABEL` says on an image made for this process."""
    where = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{sys.implementation.cache_tag}-{where}"
