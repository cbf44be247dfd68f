"""What a failed task looks like in ECS's 'Task State Change' events."""

from __future__ import annotations

from typing import Any, Final

STATE_CHANGE: Final = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}

# A task that stopped without any exit code was lost before its container could end, with its host
# or before its start. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
# ecs_task_events.html
_FAILED: Final = [
    {"containers": {"exitCode": [{"anything-but": 0}]}},
    {"containers": {"exitCode": [{"exists": False}]}},
    {"stopCode": ["TaskFailedToStart"]},
]


def failed_task_pattern(cluster_arn: Any, *, group: Any = None) -> dict[str, Any]:
    """The event pattern of tasks that failed or never started.

    Args:
        cluster_arn: the cluster that they ran in.
        group: only tasks of this group, which is `family:<family>` for a task that nobody gave
            another, and `service:<service>` for a service's.
    """
    detail = {"clusterArn": [cluster_arn], "lastStatus": ["STOPPED"], "$or": _FAILED}
    if group is not None:
        detail["group"] = [group]
    return {**STATE_CHANGE, "detail": detail}
