"""What becomes of tasks when the local AWS stops: their processes end, and a later start says so.

As when Fargate loses a host: a task that ran is STOPPED with exit code 137, one that was still to
start failed to start, and the event that tells it makes rules for failed tasks act.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from local.ecs.state_changes import emit
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPED: Final = Symbol(
    "services.ecs", "_mark_task_stopped", ("task_arn", "task", "reason", "stop_code", "exit_code")
)
_RESTORE: Final = Symbol("services.ecs", "_restore_state", ("data",))
_TASKS: Final = Symbol("services.ecs", "_tasks")

SYMBOLS: Final = (_STOPPED, _RESTORE, _TASKS)

_REASON: Final = "The local AWS was stopped"
_STARTING: Final = ("PROVISIONING", "PENDING", "ACTIVATING")
_KILLED: Final = 137

_frozen: Final = threading.Event()
_interrupted: Final[list[tuple[str, str, str]]] = []
"""Account, region and ARN of tasks that the last stop interrupted, until they are told."""


def install() -> None:
    """Mark what a stop interrupted; before anything else that follows the end of a task."""
    _STOPPED.wrap(_until_frozen)
    _RESTORE.wrap(_marking)


def freeze() -> None:
    """From now on tasks end unnoticed: they are saved as running, and the next start acts."""
    _frozen.set()


def tell() -> None:
    """Emit the events of what the last stop interrupted, once all services are restored."""
    from ministack.core.responses import request_scope

    while _interrupted:
        account, region, arn = _interrupted.pop()
        with request_scope(account, region):
            emit(_TASKS.get()[arn])


def _until_frozen(mark: Any) -> Any:
    def mark_unless_frozen(
        task_arn: str, task: dict[str, Any], *details: Any, **named: Any
    ) -> bool:
        return not _frozen.is_set() and bool(mark(task_arn, task, *details, **named))

    return mark_unless_frozen


def _marking(restore: Callable[[Any], None]) -> Callable[[Any], None]:
    def restore_and_mark(data: Any) -> None:
        running = {
            key: task["lastStatus"]
            for key, task in data["tasks"]._data.items()  # noqa: SLF001 - MiniStack's own way to reach all accounts
            if task["lastStatus"] != "STOPPED"
        }
        restore(data)
        for key, status in running.items():
            _mark(_TASKS.get()._data[key], status)  # noqa: SLF001 - the same
            _interrupted.append(key)

    return restore_and_mark


def _mark(task: dict[str, Any], status: str) -> None:
    from ministack.core.responses import now_iso

    now = now_iso()
    started = status not in _STARTING
    if not task.get("_stopping"):
        task["stopCode"] = "EssentialContainerExited" if started else "TaskFailedToStart"
        task["stoppedReason"] = _REASON
    task["_stopping"] = False
    task["desiredStatus"] = "STOPPED"
    for name in ("stoppingAt", "stoppedAt", "executionStoppedAt"):
        task[name] = task.get(name) or now
    for container in task["containers"]:
        container["lastStatus"] = "STOPPED"
        container["reason"] = _REASON
        if started and container.get("exitCode") is None:
            container["exitCode"] = _KILLED
