"""Failed tasks of a run, as ECS told of them.

ECS forgets a task within an hour or so; the events of failed ones stay in a log group, and name in
their overrides the object that the task was run for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchkit.errors import BadEventError
from batchkit.events import from_message
from batchkit.runs import RunKeys
from botocore.exceptions import ClientError

from fargate_batch.cli.records import since_ms
from fargate_batch.names import GivenNames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fargate_batch.environment import Environment


@dataclass(frozen=True)
class FailedTask:
    """One task that ended badly or did not start."""

    stage: str
    task: str
    stopped_at: str
    stop_code: str
    reason: str
    """ECS's words for why it stopped."""
    exit_code: int | None
    """None where no container came to run."""


def failed_tasks(environment: Environment, record: dict[str, Any]) -> list[FailedTask]:
    """The failed tasks that were run for an object of this run, the first one first.

    A service's worker is not run for one object, so its failures are not among them; the run's logs
    tell of those.
    """
    # Ids, not keys: a filter pattern has no way to write every character of a key. The input
    # object's event names its version, every later one the run.
    terms = filter(None, (record["run_id"], record.get("input_version")))
    events = [event for term in terms for event in _events_with(environment, record, term)]
    found = {_failed(json.loads(event)["detail"]) for event in events if _is_about(event, record)}
    return sorted(found, key=lambda failed: failed.stopped_at)


def _events_with(environment: Environment, record: dict[str, Any], term: str) -> Iterator[str]:
    names = GivenNames(environment.settings.project, environment.name)
    pages = (
        environment.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=names.failure_log_group(),
            filterPattern=f'"{term}"',
            startTime=since_ms(record),
        )
    )
    try:
        for page in pages:
            yield from (event["message"] for event in page["events"])
    except ClientError as error:
        # The stack that makes the group is the last to be launched.
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def _is_about(message: str, record: dict[str, Any]) -> bool:
    try:
        event = from_message(message)
    except BadEventError:
        return False
    if event.key.startswith(RunKeys(record["run_id"]).prefix):
        return True
    return (event.key, event.version_id) == (record["input_key"], record.get("input_version"))


def _failed(detail: dict[str, Any]) -> FailedTask:
    containers = detail.get("containers", [])
    reasons = [detail.get("stoppedReason"), *(one.get("reason") for one in containers)]
    codes = [one["exitCode"] for one in containers if one.get("exitCode")]
    overrides = detail.get("overrides", {}).get("containerOverrides", [])
    return FailedTask(
        # Each task definition has one container, called as its stage.
        stage=overrides[0]["name"] if overrides else detail.get("group", ""),
        task=str(detail["taskArn"]).rsplit("/", 1)[-1],
        stopped_at=str(detail.get("stoppedAt", detail.get("updatedAt", ""))),
        stop_code=str(detail.get("stopCode", "")),
        reason="; ".join(reason for reason in reasons if reason),
        exit_code=codes[0] if codes else None,
    )
