"""Tasks that are not placed, interrupted as Spot interrupts them, or killed."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

from local.ecs.stopping import STOP_CODE
from local.faults import state
from local.symbols import Symbol

_RUNNING: Final = Symbol("services.ecs", "_mark_task_running", ("task_arn", "task"))
_STOP_TASK: Final = Symbol("services.ecs", "_stop_task", ("data",))
_TASKS: Final = Symbol("services.ecs", "_tasks")
_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (_RUNNING, _STOP_TASK, _TASKS, _GET_CLIENT)

_NO_CAPACITY: Final = (
    "Capacity is unavailable at this time. Please try again later or in a different availability "
    "zone"
)
_INTERRUPTED: Final = "Your Spot Task was interrupted."

_log = logging.getLogger("local.faults")


def install() -> None:
    """Follow every task that starts to run."""
    _RUNNING.wrap(_following)


def unplaced(rule_name: str) -> dict[str, Any] | None:
    """RunTask's answer to a rule when nothing was placed; None when it shall be asked."""
    active = state.current()
    if active is None or not active.faults.run_task_failures:
        return None
    active.count("run_task.seen")
    if active.throw("run_task", rule_name) >= active.faults.run_task_failures:
        return None
    active.count("run_task.failed")
    return {"tasks": [], "failures": [{"reason": _NO_CAPACITY}]}


def kill(task_arn: str) -> bool:
    """Send SIGKILL to every container of a task; False when none of it runs."""
    task = next((one for one in _TASKS.get().all_values() if one["taskArn"] == task_arn), None)
    if task is None or task["lastStatus"] != "RUNNING":
        return False
    client = _GET_CLIENT.get()()
    for container_id in list(task.get("_docker_ids") or ()):
        client.containers.get(container_id).kill()
    return True


def _following(mark: Any) -> Any:
    def mark_and_follow(task_arn: str, task: dict[str, Any]) -> bool:
        changed: bool = mark(task_arn, task)
        active = state.current()
        if changed and active is not None and active.faults.tasks.share:
            _choose(active, task)
        return changed

    return mark_and_follow


def _choose(active: state.State, task: dict[str, Any]) -> None:
    from ministack.core.concurrency import spawn_background

    faults, group = active.faults.tasks, task.get("group", "")
    active.count("tasks.seen")
    # By group and number, for what the overrides say may differ from run to run, as versions do.
    if active.throw("kill", group) >= faults.share:
        return
    overrides = task.get("overrides", {}).get("containerOverrides")
    if overrides and faults.most_per_work is not None:
        kills = active.count(f"_kills {json.dumps(overrides, sort_keys=True)}")
        if kills > faults.most_per_work:
            return
    by_signal = active.throw("sigkill", group) < faults.sigkill_share
    delay = active.throw("moment", group) * faults.within_seconds
    spawn_background(_end, active, task, delay, by_signal, thread_name="local-faults-task")


def _end(
    active: state.State,
    task: dict[str, Any],
    delay: float,
    by_signal: bool,  # noqa: FBT001 - passed through spawn_background
) -> None:
    time.sleep(delay)
    if task["lastStatus"] != "RUNNING" or state.current() is not active:
        return  # it was quicker, or nothing shall go wrong any more
    _log.info("Task %s: %s", task["taskArn"], "SIGKILL" if by_signal else "Spot interruption")
    if by_signal:
        if kill(task["taskArn"]):
            active.count("tasks.sigkill")
        return
    active.count("tasks.sigterm")
    _STOP_TASK.get()(
        {
            "cluster": task["clusterArn"],
            "task": task["taskArn"],
            "reason": _INTERRUPTED,
            STOP_CODE: "SpotInterruption",
        }
    )
