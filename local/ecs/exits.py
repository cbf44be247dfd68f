"""Why a container ended: ECS tells it with the container, MiniStack only with the task."""

from __future__ import annotations

import logging
from typing import Any, Final

from local.symbols import Symbol

_STOPPED: Final = Symbol(
    "services.ecs", "_mark_task_stopped", ("task_arn", "task", "reason", "stop_code", "exit_code")
)
_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (_STOPPED, _GET_CLIENT)

OUT_OF_MEMORY: Final = "OutOfMemoryError: Container killed due to memory usage"

_log = logging.getLogger("local.ecs.exits")


def install() -> None:
    """Give each container of a stopped task its reason."""
    _STOPPED.wrap(_explaining)


def _explaining(mark: Any) -> Any:
    def mark_and_explain(
        task_arn: str,
        task: dict[str, Any],
        reason: str,
        stop_code: str,
        exit_code: int | None = None,
    ) -> bool:
        failed_to_start = stop_code == "TaskFailedToStart"
        if failed_to_start:
            for container in task.get("containers") or ():
                container["reason"] = reason
        else:
            _explain_exits(task)
        # A container that never started has no exit code.
        code = None if failed_to_start else exit_code
        changed: bool = mark(task_arn, task, reason, stop_code, exit_code=code)
        return changed

    return mark_and_explain


def _explain_exits(task: dict[str, Any]) -> None:
    client = _GET_CLIENT.get()()
    for container, container_id in zip(
        task.get("containers") or (), task.get("_docker_ids") or (), strict=False
    ):
        try:
            state = client.containers.get(container_id).attrs.get("State") or {}
        except Exception as error:  # noqa: BLE001 - each engine has its own; no reason to fail for
            _log.debug("Container %s cannot be inspected: %s", container_id[:12], error)
            continue
        if state.get("OOMKilled"):
            container["reason"] = OUT_OF_MEMORY
