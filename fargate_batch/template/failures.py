"""What a failed task looks like in ECS's 'Task State Change' events."""

from __future__ import annotations

from typing import Any, Final

from batchkit.events import TASK_EVENT

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
_ENDED_BADLY: Final[dict[str, Any]] = {"containers": {"exitCode": [{"anything-but": 0}]}}
_NEVER_STARTED: Final = {"stopCode": ["TaskFailedToStart"]}
# Stopped before its container could end, or with the host that it ran on.
_LOST: Final = {"containers": {"exitCode": [{"exists": False}]}}
_SPOT: Final = "SpotInterruption"


def failed_tasks(cluster_arn: Any) -> dict[str, Any]:
    """The event pattern of a cluster's tasks that failed by themselves or never started.

    Not of those without an exit code: a service that scales in may stop tasks before they start.
    Not of those that Spot took either: nothing is wrong with them, and nobody is to be called.
    """
    by_itself = {"stopCode": [{"anything-but": [_SPOT]}, {"exists": False}]}
    return _pattern(cluster_arn, {"$or": [_ENDED_BADLY | by_itself, _NEVER_STARTED]})


def interrupted_tasks(cluster_arn: Any) -> dict[str, Any]:
    """The event pattern of a cluster's tasks that Spot took before they had finished."""
    return _pattern(cluster_arn, _ENDED_BADLY | {"stopCode": [_SPOT]})


def unfinished_tasks(cluster_arn: Any, group: Any) -> dict[str, Any]:
    """The event pattern of a group's tasks that stopped and did not end well.

    Args:
        cluster_arn: the cluster that they ran in.
        group: `family:<family>` for tasks that nobody gave another; a service's have
            `service:<service>`.
    """
    return _pattern(cluster_arn, {"group": [group], "$or": [_ENDED_BADLY, _NEVER_STARTED, _LOST]})


def _pattern(cluster_arn: Any, detail: dict[str, Any]) -> dict[str, Any]:
    source, kind = TASK_EVENT
    return {
        "source": [source],
        "detail-type": [kind],
        "detail": {
            "clusterArn": [cluster_arn],
            "lastStatus": ["STOPPED"],
            **detail,
        },
    }
