"""Task scale-in protection: its API, and whom it spares. Tasks reach it through their agent.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from local.ecs.stopping import DISPENSABLE_REASONS, SCALE_IN_REASON
from local.responses import RefusedError, Response, reply
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTIONS: Final = Symbol("services.ecs", "_ACTION_MAP")
_CLUSTER_NAME: Final = Symbol("services.ecs", "_resolve_cluster_name", ("ref",))
_TASK: Final = Symbol("services.ecs", "_resolve_task", ("ref", "cluster_name"))
_TASKS: Final = Symbol("services.ecs", "_tasks")
_SERVICES: Final = Symbol("services.ecs", "_services")
_STOP_TASK: Final = Symbol("services.ecs", "_stop_task", ("data",))
_RECONCILE: Final = Symbol("services.ecs", "_reconcile_service_tasks", ("cluster_name", "svc_key"))
_PRE_STOP: Final = Symbol("services.ecs", "_PRE_STOP_STATUSES")

SYMBOLS: Final = (
    _ACTIONS,
    _CLUSTER_NAME,
    _TASK,
    _TASKS,
    _SERVICES,
    _STOP_TASK,
    _RECONCILE,
    _PRE_STOP,
)

_UNTIL: Final = "_protected_until"
_DEFAULT_MINUTES: Final = 120
_MOST_MINUTES: Final = 2880
_MOST_TASKS: Final = 10


def install() -> None:
    """Answer the two calls, and spare protected tasks; after whatever else replaces StopTask."""
    _ACTIONS.get()["UpdateTaskProtection"] = _answering(update)
    _ACTIONS.get()["GetTaskProtection"] = _answering(describe)
    _STOP_TASK.wrap(_sparing)
    _RECONCILE.wrap(_choosing)


def is_protected(task: dict[str, Any], now: float) -> bool:
    """Whether scale-in and deployments have to leave a task alone."""
    return float(task.get(_UNTIL) or 0) > now


def update(data: dict[str, Any]) -> dict[str, Any]:
    """UpdateTaskProtection.

    Raises:
        RefusedError: a value is out of its range, or there is no such cluster.
    """
    minutes = data.get("expiresInMinutes")
    if minutes is not None and not 1 <= int(minutes) <= _MOST_MINUTES:
        raise RefusedError(
            "InvalidParameterException",
            f"expiresInMinutes must be between 1 and {_MOST_MINUTES} (48 hours)",
        )
    if not isinstance(data.get("protectionEnabled"), bool):
        raise RefusedError("InvalidParameterException", "protectionEnabled is required")
    if not 1 <= len(data.get("tasks") or ()) <= _MOST_TASKS:
        raise RefusedError(
            "InvalidParameterException", f"Between 1 and {_MOST_TASKS} tasks must be specified"
        )
    until = time.time() + 60 * int(minutes or _DEFAULT_MINUTES)

    def protect(task: dict[str, Any]) -> None:
        task[_UNTIL] = until if data["protectionEnabled"] else None

    return _of_each(data, protect)


def describe(data: dict[str, Any]) -> dict[str, Any]:
    """GetTaskProtection.

    Raises:
        RefusedError: there is no such cluster.
    """
    everything = {"tasks": list(_TASKS.get().keys())} if not data.get("tasks") else {}
    return _of_each({**data, **everything}, lambda _task: None)


def _of_each(data: dict[str, Any], act: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    cluster = _CLUSTER_NAME.get()(data.get("cluster", "default"))
    if cluster is None:
        raise RefusedError("ClusterNotFoundException", "Cluster not found.")
    protected, failures = [], []
    for reference in data["tasks"]:
        task = _TASK.get()(reference, cluster)
        if task is None:
            failures.append({"arn": reference, "reason": "MISSING"})
        elif not task.get("group", "").startswith("service:") or task["lastStatus"] == "STOPPED":
            failures.append({"arn": task["taskArn"], "reason": "TASK_NOT_VALID"})
        else:
            act(task)
            told = {"taskArn": task["taskArn"], "protectionEnabled": False}
            if is_protected(task, time.time()):
                told |= {"protectionEnabled": True, "expirationDate": task[_UNTIL]}
            protected.append(told)
    return {"protectedTasks": protected, "failures": failures}


def _answering(
    action: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[dict[str, Any]], Response]:
    def answer(data: dict[str, Any]) -> Response:
        try:
            return reply(action(data))
        except RefusedError as refused:
            return refused.response()

    return answer


def _sparing(
    stop: Callable[[dict[str, Any]], Response],
) -> Callable[[dict[str, Any]], Response]:
    def stop_unless_protected(data: dict[str, Any]) -> Response:
        if data.get("reason") in DISPENSABLE_REASONS:
            cluster = _CLUSTER_NAME.get()(data.get("cluster", "default"))
            task = _TASK.get()(data.get("task", ""), cluster)
            if task and is_protected(task, time.time()):
                return reply({"task": {"taskArn": task["taskArn"]}})
        return stop(data)

    return stop_unless_protected


def _choosing(reconcile: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def reconcile_sparing(cluster_name: str, svc_key: str) -> None:
        service = _SERVICES.get().get(svc_key)
        if service and service["status"] == "ACTIVE" and len(service["deployments"]) == 1:
            _stop_unprotected(cluster_name, service)
        reconcile(cluster_name, svc_key)

    return reconcile_sparing


def _stop_unprotected(cluster: str, service: dict[str, Any]) -> None:
    """Scale in by the newest tasks that are not protected.

    MiniStack would choose the newest of all, again and again.
    """
    now = time.time()
    tasks = [
        task
        for task in list(_TASKS.get().values())
        if task.get("group") == f"service:{service['serviceName']}"
        and task["clusterArn"] == service["clusterArn"]
        and task["lastStatus"] in _PRE_STOP.get()
    ]
    excess = len(tasks) - int(service["desiredCount"])
    if excess <= 0 or not any(is_protected(task, now) for task in tasks):
        return
    free = [task for task in tasks if not is_protected(task, now)]
    for task in sorted(free, key=lambda one: str(one["createdAt"]), reverse=True)[:excess]:
        _STOP_TASK.get()({"task": task["taskArn"], "cluster": cluster, "reason": SCALE_IN_REASON})
