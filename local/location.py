"""Where one local AWS keeps its files, and how it is addressed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 4566
HIGHEST_PORT: Final = 65535
DEFAULT_REGION: Final = "eu-west-1"
# MiniStack takes a 12-digit access key id as the account it belongs to.
ACCOUNT_ID: Final = "123456789012"
SECRET_ACCESS_KEY: Final = "local"  # noqa: S105 - no secret: nothing checks it

_PROJECT: Final = Path(__file__).resolve().parent.parent


class SettingError(ValueError):
    """An option or an environment variable has a value that means nothing; the message says so."""


@dataclass(frozen=True)
class Directory:
    """The directory that one local AWS writes to; it writes nowhere else."""

    path: Path

    @property
    def lock(self) -> Path:
        """Locked by the running server; its content says where that server is."""
        return self.path / "server.json"

    @property
    def log(self) -> Path:
        """What the server logs."""
        return self.path / "server.log"

    @property
    def state(self) -> Path:
        """What survives a restart."""
        return self.path / "state"

    @property
    def kept_port(self) -> Path:
        """The port of the server that saved the state, in digits."""
        return self.path / "state" / "port"

    @property
    def blobs(self) -> Path:
        """Image layers, each under its digest."""
        return self.path / "state" / "blobs"

    @property
    def images(self) -> Path:
        """Unpacked images, for tasks that run as processes."""
        return self.path / "images"

    @property
    def tasks(self) -> Path:
        """One directory a container that runs as a process."""
        return self.path / "tasks"


def default_directory() -> Directory:
    """LOCAL_AWS_DIRECTORY, else `.local` in the project."""
    return Directory(Path(os.environ.get("LOCAL_AWS_DIRECTORY") or _PROJECT / ".local").resolve())


def default_port() -> int:
    """LOCAL_AWS_PORT, else 4566.

    Raises:
        SettingError: LOCAL_AWS_PORT is not a port number.
    """
    value = os.environ.get("LOCAL_AWS_PORT", "")
    return port_number(value, "LOCAL_AWS_PORT") if value else DEFAULT_PORT


def port_number(value: str, name: str) -> int:
    """The port that an option or a variable of this name means.

    Raises:
        SettingError: it is not a port number.
    """
    if not value.isdecimal() or not 0 < int(value) <= HIGHEST_PORT:
        raise SettingError(
            f"{name} is '{value}'; it must be a port number, 1 to {HIGHEST_PORT}, "
            f"e.g. {DEFAULT_PORT}"
        )
    return int(value)


def endpoint(port: int) -> str:
    """The URL of every service.

    An address rather than `localhost`: botocore then puts a bucket's name into the path, not into
    the host name.
    """
    return f"http://127.0.0.1:{port}"


def environment(port: int, region: str = DEFAULT_REGION) -> dict[str, str]:
    """The environment variables with which every AWS SDK and the AWS CLI talk to it."""
    return {
        **past_proxies(),
        "AWS_ENDPOINT_URL": endpoint(port),
        "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": region,
    }


def past_proxies() -> dict[str, str]:
    """The environment variables with which nobody asks a proxy for this machine's own ports."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    known = [host for host in named.split(",") if host]
    hosts = ",".join(dict.fromkeys((*known, "127.0.0.1", "localhost")))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


@dataclass(frozen=True)
class Running:
    """A server that is up."""

    pid: int
    port: int
    runner: str
    """How tasks run, in a sentence."""

    def to_json(self) -> str:
        """Write it down for other processes."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Running:
        """Read what to_json wrote."""
        return Running(**json.loads(text))
