"""A local AWS for tests: in a process of its own, on a free port, gone afterwards."""

from __future__ import annotations

import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from local import process
from local.faults.client import FaultsClient
from local.location import DEFAULT_REGION, Directory, Running, endpoint, environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class LocalAws:
    """A local AWS that is up."""

    running: Running
    directory: Directory
    region: str

    @property
    def endpoint(self) -> str:
        """The URL of every service."""
        return endpoint(self.running.port)

    @property
    def registry(self) -> str:
        """Host and port of the registry, as repository URIs name it."""
        return f"localhost:{self.running.port}"

    @property
    def faults(self) -> FaultsClient:
        """What lets things go wrong in it, and kills its tasks."""
        return FaultsClient(self.endpoint)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point AWS clients at it."""
        return environment(self.running.port, self.region)

    @cached_property
    def session(self) -> boto3.Session:
        """The session of its account's owner, whatever the environment says."""
        return boto3.Session(
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region,
        )

    def client(self, service: str) -> Any:
        """Return a new client of it."""
        make: Any = self.session.client  # typed for each service by its literal name
        return make(service, endpoint_url=self.endpoint)


@contextmanager
def local_aws(
    directory: Path | None = None,
    *,
    region: str = DEFAULT_REGION,
    persist: bool = False,
    use_engine: bool = True,
    port: int | None = None,
) -> Iterator[LocalAws]:
    """Start a local AWS and stop it on leaving.

    Args:
        directory: where it keeps its files; a temporary one by default.
        region: of unsigned requests; others name their own.
        persist: whether a later one in the same directory finds the state of this one.
        use_engine: whether tasks may run as containers where an engine answers.
        port: where it listens; a free one by default. Kept state belongs to its port.

    Raises:
        LocalAwsError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="local-aws-", ignore_cleanup_errors=True) as temporary:
        place = Directory((directory or Path(temporary)).resolve())
        running = process.start(
            place,
            port or free_port(),
            persist=persist,
            region=region,
            use_engine=use_engine,
            with_parent=True,
        )
        try:
            yield LocalAws(running, place, region)
        finally:
            process.stop(place)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
