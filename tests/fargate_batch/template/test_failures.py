from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.template.failures import failed_tasks, interrupted_tasks

if TYPE_CHECKING:
    from local.testing import LocalAws

CLUSTER = "arn:aws:ecs:eu-west-1:000000000000:cluster/fargate-batch-dev"


def stopped(code: str, exit_code: int | None = None, **detail: Any) -> dict[str, Any]:
    container = {} if exit_code is None else {"exitCode": exit_code}
    return {
        "clusterArn": CLUSTER,
        "lastStatus": "STOPPED",
        "stopCode": code,
        "containers": [container],
        **detail,
    }


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        (stopped("EssentialContainerExited", 1), "failed"),
        (stopped("ServiceSchedulerInitiated", 137), "failed"),
        (stopped("TaskFailedToStart"), "failed"),
        (stopped("SpotInterruption", 143), "interrupted"),
        (stopped("SpotInterruption", 0), "neither"),
        (stopped("EssentialContainerExited", 0), "neither"),
        (stopped("ServiceSchedulerInitiated"), "neither"),
        (stopped("EssentialContainerExited", 1, lastStatus="RUNNING"), "neither"),
        (stopped("EssentialContainerExited", 1, clusterArn=CLUSTER + "2"), "neither"),
    ],
    ids=[
        "ended with an error",
        "killed while a service scaled in",
        "never started",
        "taken by Spot",
        "finished before Spot took it",
        "ended well",
        "stopped before it began",
        "still running",
        "another cluster's",
    ],
)
def test_a_task_failed_or_was_interrupted_or_neither(
    aws: LocalAws, detail: dict[str, Any], kind: str
) -> None:
    event = {
        "id": "1",
        "account": "000000000000",
        "source": "aws.ecs",
        "time": "2026-01-30T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail-type": "ECS Task State Change",
        "detail": detail,
    }
    patterns = {"failed": failed_tasks(CLUSTER), "interrupted": interrupted_tasks(CLUSTER)}
    events = aws.client("events")
    heard = {
        name: events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))[
            "Result"
        ]
        for name, pattern in patterns.items()
    }
    assert heard == {"failed": kind == "failed", "interrupted": kind == "interrupted"}
