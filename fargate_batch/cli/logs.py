"""A run's log lines, gathered from every stage's log group."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from fargate_batch.cli.lines import fields_of
from fargate_batch.cli.records import since_ms
from fargate_batch.names import StageOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fargate_batch.environment import Environment

POLL_SECONDS: Final = 2.0
OVERLAP_MS: Final = 60_000
"""How far back each look begins: lines of one moment do not arrive at one moment."""
_time: Final = itemgetter(0)


@dataclass
class RunLogs:
    """The lines that name a run; each is given out once."""

    environment: Environment
    run: str
    since: int = 0
    """Milliseconds since the epoch: CloudWatch looks through everything that came after."""
    _seen: set[str] = field(default_factory=set)

    def new(self) -> list[str]:
        """The lines that came since the last look, in the order of their time."""
        logs = self.environment.client("logs")
        found: list[tuple[int, str]] = []
        for stage in self.environment.settings.stages:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=self.environment.of(stage.name, StageOutput.LOG_GROUP_NAME),
                filterPattern=f'"{self.run}"',
                startTime=self.since,
            )
            for event in (event for page in pages for event in page["events"]):
                if event["eventId"] not in self._seen:
                    self._seen.add(event["eventId"])
                    found.append((event["timestamp"], event["message"].rstrip()))
        if found:
            self.since = max(self.since, max(map(_time, found)) - OVERLAP_MS)
        # Lines of one millisecond stay in the order in which their task wrote them.
        return [message for _, message in sorted(found, key=_time)]

    def follow(self) -> Iterator[str]:
        """The lines as they come, for ever."""
        while True:
            yield from self.new()
            time.sleep(POLL_SECONDS)


def logs_of(environment: Environment, record: dict[str, Any]) -> RunLogs:
    """The logs of a run that has a record, or an input file that will get one."""
    return RunLogs(environment, record["run_id"], since_ms(record))


def errors_among(lines: list[str]) -> list[dict[str, Any]]:
    """Those lines that a task wrote as errors, with what they say; others are no JSON of ours."""
    said = filter(None, map(fields_of, lines))
    return [fields for fields in said if fields.get("level") in {"error", "critical"}]
