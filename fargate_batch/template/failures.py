"""What a failed task looks like in ECS's 'Task State Change' events."""

from __future__ import annotations

from typing import Any, Final

from batchkit.events import TASK_EVENT

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
_FAILED: Final[list[dict[str, Any]]] = [
    {"containers": {"exitCode": [{"anything-but": 0}]}},
    {"stopCode": ["TaskFailedToStart"]},
]
# Stopped before its container could end, or with the host that it ran on.
_LOST: Final = {"containers": {"exitCode": [{"exists": False}]}}


def failed_tasks(cluster_arn: Any) -> dict[str, Any]:
    """The event pattern of a cluster's tasks that failed or never started.

    Not of those without an exit code: a service that scales in may stop tasks before they start.
    """
    return _pattern(cluster_arn, _FAILED)


def unfinished_tasks(cluster_arn: Any, group: Any) -> dict[str, Any]:
    """The event pattern of a group's tasks that stopped and did not end well.

    Args:
        cluster_arn: the cluster that they ran in.
        group: `family:<family>` for tasks that nobody gave another; a service's have
            `service:<service>`.
    """
    pattern = _pattern(cluster_arn, [*_FAILED, _LOST])
    pattern["detail"]["group"] = [group]
    return pattern


def _pattern(cluster_arn: Any, alternatives: list[dict[str, Any]]) -> dict[str, Any]:
    source, kind = TASK_EVENT
    return {
        "source": [source],
        "detail-type": [kind],
        "detail": {
            "clusterArn": [cluster_arn],
            "lastStatus": ["STOPPED"],
            "$or": alternatives,
        },
    }
