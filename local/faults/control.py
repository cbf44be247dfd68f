"""The address at which faults are asked for: /_local/faults, and /_local/tasks to kill one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local import gateway
from local.faults import state, tasks
from local.faults.settings import Faults

if TYPE_CHECKING:
    from local.gateway import Answer, Request


def install() -> None:
    """Serve both."""
    gateway.serve("faults", _faults)
    gateway.serve("tasks", _tasks)


def _faults(request: Request) -> Answer:
    """PUT and DELETE change what goes wrong; each method answers what does and has."""
    if request.method == "PUT":
        state.put(Faults.from_json(json.loads(request.body)))
    elif request.method == "DELETE":
        answer = _told()
        state.put(None)
        return 200, answer
    elif request.method != "GET":
        return 405, {"message": f"{request.method} is not one of GET, PUT, DELETE"}
    return 200, _told()


def _told() -> dict[str, object]:
    active = state.current()
    if active is None:
        return {"faults": None, "counts": {}}
    return {"faults": active.faults.to_json(), "counts": active.counts()}


def _tasks(request: Request) -> Answer:
    """DELETE with a task's ARN below it kills the task by SIGKILL."""
    if request.method != "DELETE":
        return 405, {"message": "only DELETE"}
    arn = "/".join(request.path)
    if tasks.kill(arn):
        return 200, {"killed": arn}
    return 404, {"message": f"No task {arn} is running"}
