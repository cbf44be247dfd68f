"""StopTask: SIGTERM, the stop timeout, SIGKILL, and the container's own exit code.

MiniStack stops within five seconds and reports exit code 0 whatever happened. Here the task goes
through DEACTIVATING to STOPPED in the background while the caller has its answer at once, as on
AWS.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from local.ecs.containers import STOP_TIMEOUT_LABEL
from local.ecs.state_changes import emit
from local.responses import Response, reply
from local.symbols import Symbol

_STOP_TASK: Final = Symbol("services.ecs", "_stop_task", ("data",))
_ACTIONS: Final = Symbol("services.ecs", "_ACTION_MAP")
_RESOLVE_CLUSTER: Final = Symbol("services.ecs", "_resolve_cluster_name", ("ref",))
_RESOLVE_TASK: Final = Symbol("services.ecs", "_resolve_task", ("ref", "cluster_name"))
_IS_ACTIVE: Final = Symbol("services.ecs", "_task_is_active", ("task_arn", "task"))
_MARK_STOPPED: Final = Symbol(
    "services.ecs", "_mark_task_stopped", ("task_arn", "task", "reason", "stop_code", "exit_code")
)
_CLEAN_UP: Final = Symbol(
    "services.ecs", "_cleanup_task_resources", ("task", "docker_client", "extra_container")
)
_SANITIZE: Final = Symbol("services.ecs", "_sanitize", ("obj",))
_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (
    _STOP_TASK,
    _ACTIONS,
    _RESOLVE_CLUSTER,
    _RESOLVE_TASK,
    _IS_ACTIVE,
    _MARK_STOPPED,
    _CLEAN_UP,
    _SANITIZE,
    _GET_CLIENT,
)

SCALE_IN_REASON: Final = "Service scaling down"
UNHEALTHY_REASON: Final = "Task failed container health checks"
NO_ROOM_REASON: Final = "Deployment capacity limit"
DISPENSABLE_REASONS: Final = frozenset(
    {
        SCALE_IN_REASON,
        NO_ROOM_REASON,
        "Task definition updated",
        "Deployment completed",
    }
)
"""With these the service scheduler stops what it can do without, so not what is protected."""
SCHEDULER_REASONS: Final = DISPENSABLE_REASONS | {UNHEALTHY_REASON, "Service deleted"}
"""What the service scheduler says when it stops a task."""

STOP_CODE: Final = "_stopCode"
"""With this member of its request a caller within this package says why it stops a task."""

_log = logging.getLogger("local.ecs.stopping")


def install() -> None:
    """Replace StopTask, also where ECS calls it for its services."""
    immediately = _STOP_TASK.get()

    def stop_task(data: dict[str, Any]) -> Response:
        cluster = _RESOLVE_CLUSTER.get()(data.get("cluster", "default"))
        task = _RESOLVE_TASK.get()(data.get("task", ""), cluster) if cluster else None
        if task and task.get("_stopping"):
            return reply({"task": _SANITIZE.get()(task)})
        if task and task["lastStatus"] == "RUNNING" and task.get("_docker_ids"):
            return _stop_in_background(task, data)
        if task and task["lastStatus"] != "STOPPED":
            return _stop_before_it_runs(task, data)
        answer: Response = immediately(data)
        return answer

    _STOP_TASK.set(stop_task)
    _ACTIONS.get()["StopTask"] = stop_task
    _IS_ACTIVE.wrap(_counting_stopping_tasks)


def _counting_stopping_tasks(is_active: Any) -> Any:
    """A task that is stopping is still there; what watches it must not let go of it."""

    def active(task_arn: str, task: dict[str, Any]) -> bool:
        return bool(is_active(task_arn, task)) or bool(task.get("_stopping"))

    return active


def _why(data: dict[str, Any]) -> tuple[str, str]:
    """The reason and the stop code of a StopTask."""
    reason = data.get("reason") or "Task stopped by user"
    code = data.get(STOP_CODE) or (
        "ServiceSchedulerInitiated" if reason in SCHEDULER_REASONS else "UserInitiated"
    )
    return reason, code


def _stop_before_it_runs(task: dict[str, Any], data: dict[str, Any]) -> Response:
    """Its containers never ran, so they have no exit codes."""
    _MARK_STOPPED.get()(task["taskArn"], task, *_why(data))
    _CLEAN_UP.get()(task, _GET_CLIENT.get()())
    return reply({"task": _SANITIZE.get()(task)})


def _stop_in_background(task: dict[str, Any], data: dict[str, Any]) -> Response:
    from ministack.core.concurrency import resource_lock, spawn_background
    from ministack.core.responses import now_iso

    reason, code = _why(data)
    with resource_lock("ecs-task", task["taskArn"]):
        task["_stopping"] = True
        task["desiredStatus"] = "STOPPED"
        task["lastStatus"] = "DEACTIVATING"
        task["stoppingAt"] = now_iso()
        task["stoppedReason"] = reason
        task["stopCode"] = code
    emit(task)
    spawn_background(_stop_containers, task, thread_name="local-ecs-stop")
    return reply({"task": _SANITIZE.get()(task)})


def _stop_containers(task: dict[str, Any]) -> None:
    from ministack.core.concurrency import resource_lock

    client = _GET_CLIENT.get()()
    codes = [_stop_container(client, container_id) for container_id in task["_docker_ids"]]
    with resource_lock("ecs-task", task["taskArn"]):
        for container, code in zip(task["containers"], codes, strict=False):
            container["exitCode"] = code
        task["_stopping"] = False
        # MiniStack refuses to stop what is not desired to run.
        task["desiredStatus"] = "RUNNING"
    _MARK_STOPPED.get()(task["taskArn"], task, task["stoppedReason"], task["stopCode"])
    _CLEAN_UP.get()(task, client)


def _stop_container(client: Any, container_id: str) -> int | None:
    try:
        container = client.containers.get(container_id)
        container.stop(timeout=int(container.labels.get(STOP_TIMEOUT_LABEL, 30)))
        code: int = container.wait()["StatusCode"]
    except Exception as error:  # noqa: BLE001 - each engine has its own; the task must stop anyway
        _log.warning("Container %s could not be stopped: %s", container_id[:12], error)
        return None
    return code
