"""The service scheduler: replaces what is missing, unhealthy or old, one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any, Final

from local.ecs.protection import is_protected
from local.ecs.slots import WAITS
from local.ecs.stopping import NO_ROOM_REASON, UNHEALTHY_REASON
from local.symbols import Symbol

_RECONCILE: Final = Symbol("services.ecs", "_reconcile_service_tasks", ("cluster_name", "svc_key"))
_STOP_TASK: Final = Symbol("services.ecs", "_stop_task", ("data",))
_RECORD_FAILURE: Final = Symbol(
    "services.ecs", "_record_service_task_failure", ("task", "digest_resolution_failed")
)
_SERVICES: Final = Symbol("services.ecs", "_services")
_TASKS: Final = Symbol("services.ecs", "_tasks")
_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (_RECONCILE, _STOP_TASK, _RECORD_FAILURE, _SERVICES, _TASKS, _GET_CLIENT)

_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


def install() -> None:
    """Let no two threads count a service's tasks at once and both start what is missing."""
    reconcile = _RECONCILE.get()

    def reconcile_alone(cluster_name: str, svc_key: str) -> None:
        with _locks[svc_key]:
            reconcile(cluster_name, svc_key)

    _RECONCILE.set(reconcile_alone)


def tick() -> None:
    """Bring health up to date, and every service of the account and region in hand to its count."""
    for task in list(_TASKS.get().values()):
        if task["lastStatus"] == "RUNNING":
            _update_health(task)
    for key, service in list(_SERVICES.get().items()):
        if service["status"] == "ACTIVE" and service["runningCount"] != service["desiredCount"]:
            _RECONCILE.get()(key.split("/", 1)[0], key)
        if service["status"] == "ACTIVE" and len(service["deployments"]) > 1:
            _make_room(service)


def tasks_of(service_arn: str) -> list[dict[str, Any]]:
    """A service's tasks that have not stopped; those of a service that was deleted too."""
    cluster, name = service_arn.rsplit("/", 2)[1:]
    return [
        task
        for task in list(_TASKS.get().values())
        if task.get("group") == f"service:{name}"
        and task["clusterArn"].endswith(f"/{cluster}")
        and task["lastStatus"] != "STOPPED"
    ]


def primary_of(service: dict[str, Any]) -> dict[str, Any]:
    """The deployment that a service is to consist of."""
    (primary,) = (one for one in service["deployments"] if one["status"] == "PRIMARY")
    return dict(primary)


def is_old(task: dict[str, Any], service: dict[str, Any]) -> bool:
    """Whether a service's task belongs to another deployment than the last one."""
    return bool(task.get("_deployment_id") != primary_of(service)["id"])


def _make_room(service: dict[str, Any]) -> None:
    """Stop as many tasks of the last revision as tasks of the new one wait for a slot.

    AWS has room for both until the new one is steady; this machine may not have, and then a
    deployment would wait for tasks that wait for it.
    """
    tasks = tasks_of(service["serviceArn"])
    old = [task for task in tasks if is_old(task, service)]
    new = [task for task in tasks if task not in old]
    leaving = [task for task in old if task["desiredStatus"] == "STOPPED"]
    missing = sum(WAITS in task for task in new) - len(leaving)
    free = [task for task in old if task not in leaving and not is_protected(task, time.time())]
    for task in free[: max(0, missing)]:
        _STOP_TASK.get()(
            {"task": task["taskArn"], "cluster": service["clusterArn"], "reason": NO_ROOM_REASON}
        )


def _update_health(task: dict[str, Any]) -> None:
    client = _GET_CLIENT.get()()
    statuses = []
    for container, container_id in zip(
        task["containers"], list(task.get("_docker_ids") or ()), strict=False
    ):
        status = client.containers.health(container_id)
        if status is not None:
            container["healthStatus"] = status
            statuses.append(status)
    if not statuses:
        return
    task["healthStatus"] = health_of(statuses)
    if task["healthStatus"] == "UNHEALTHY" and task.get("group", "").startswith("service:"):
        # Only a service's tasks are replaced; one that was run by itself runs on, as on AWS.
        _STOP_TASK.get()(
            {"cluster": task["clusterArn"], "task": task["taskArn"], "reason": UNHEALTHY_REASON}
        )
        _RECORD_FAILURE.get()(task)


def health_of(statuses: list[str]) -> str:
    """A task's health, given that of its containers with health checks."""
    if "UNHEALTHY" in statuses:
        return "UNHEALTHY"
    return "UNKNOWN" if "UNKNOWN" in statuses else "HEALTHY"
