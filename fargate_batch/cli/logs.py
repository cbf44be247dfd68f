"""A run's log lines, gathered from every stage's log group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fargate_batch.names import StageOutput

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


def read_logs(environment: Environment, run: str) -> list[str]:
    """The lines that name the run, oldest first."""
    logs = environment.client("logs")
    found: list[tuple[int, str]] = []
    for stage in environment.settings.stages:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=environment.of(stage.name, StageOutput.LOG_GROUP_NAME),
            filterPattern=f'"{run}"',
        )
        for page in pages:
            found += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
    return [message for _, message in sorted(found)]
