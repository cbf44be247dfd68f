"""A client of /_local/faults, for tests in Python."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.faults.settings import Faults

_TIMEOUT_SECONDS: Final = 30


class FaultsError(Exception):
    """The local AWS refused; the message says why."""


@dataclass(frozen=True)
class FaultsClient:
    """Asks one local AWS to let things go wrong."""

    endpoint: str
    """Of the local AWS, e.g. LocalAws.endpoint."""

    def put(self, faults: Faults) -> None:
        """Let things go wrong from now on; counters begin at zero.

        Raises:
            FaultsError: the local AWS does not understand.
        """
        self._call("PUT", "faults", faults.to_json())

    def counts(self) -> dict[str, int]:
        """How often what has happened since `put`.

        Names are e.g. run_task.failed, tasks.sigterm, tasks.sigkill, events.twice, events.late,
        calls.s3.before, calls.s3.after, calls.s3.slow; and .seen of each, for how many there were.
        """
        counts: dict[str, int] = self._call("GET", "faults")["counts"]
        return counts

    def clear(self) -> dict[str, int]:
        """Let nothing go wrong any more, and return the counts."""
        counts: dict[str, int] = self._call("DELETE", "faults")["counts"]
        return counts

    @contextmanager
    def during(self, faults: Faults) -> Iterator[None]:
        """Let things go wrong inside a `with` block."""
        self.put(faults)
        try:
            yield
        finally:
            self.clear()

    def kill_task(self, task_arn: str) -> None:
        """Send SIGKILL to a task that runs.

        Raises:
            FaultsError: it does not run.
        """
        self._call("DELETE", f"tasks/{urllib.parse.quote(task_arn)}")

    def _call(self, method: str, path: str, content: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the local AWS's own address
            f"{self.endpoint}/_local/{path}",
            data=None if content is None else json.dumps(content).encode(),
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise FaultsError(json.load(error)["message"]) from error
