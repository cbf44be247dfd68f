"""What a task reaches at ECS_AGENT_URI: the container agent's endpoint for its own protection.

The agent calls ECS with the task's role, so that a role without the permission shows here as well.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from local import gateway
from local.ecs import protection
from local.events import permissions
from local.responses import RefusedError
from local.symbols import Symbol

if TYPE_CHECKING:
    from local.gateway import Answer, Request

_TASKS_BY_TOKEN: Final = Symbol("services.ecs_metadata", "_TOKEN_TO_TASK")
_TASKS: Final = Symbol("services.ecs", "_tasks")
_DEFINITIONS: Final = Symbol("services.ecs", "_task_defs")
_DEFINITION_KEY: Final = Symbol("services.ecs", "_resolve_td_key", ("ref",))

SYMBOLS: Final = (_TASKS_BY_TOKEN, _TASKS, _DEFINITIONS, _DEFINITION_KEY)

ADDRESS: Final = "agent"
_STATE: Final = ("task-protection", "v1", "state")


def install() -> None:
    """Serve it for every task that runs."""
    gateway.serve(ADDRESS, _answer)


def uri(endpoint: str, token: str) -> str:
    """The value of ECS_AGENT_URI.

    Args:
        endpoint: where the container reaches this server.
        token: the container's, by which the agent knows its task.
    """
    return f"{endpoint}{gateway.PREFIX}{ADDRESS}/{token}"


def _answer(request: Request) -> Answer:
    from ministack.core.responses import request_scope

    token, *path = request.path
    task_arn = _TASKS_BY_TOKEN.get().get(token)
    if task_arn is None or tuple(path) != _STATE:
        return 404, {"message": "404 page not found"}
    if request.method not in ("GET", "PUT"):
        return 405, {"message": "Method not allowed"}
    _, _, _, region, account, _ = task_arn.split(":", 5)
    with request_scope(account, region):
        return _protection(task_arn, request)


def _protection(task_arn: str, request: Request) -> Answer:
    task = _TASKS.get()[task_arn]
    named = {"cluster": task["clusterArn"], "tasks": [task_arn]}
    try:
        if request.method == "GET":
            _require(task, "ecs:GetTaskProtection")
            answer = protection.describe(named)
        else:
            wanted = _body(request.body)
            _require(task, "ecs:UpdateTaskProtection")
            answer = protection.update({**named, **wanted})
    except RefusedError as refused:
        error = {"Arn": task_arn, "Code": refused.code, "Message": refused.message}
        return refused.status, {"error": error}
    if answer["failures"]:
        return 200, {
            "failure": {
                "Arn": task_arn,
                "Detail": None,
                "Reason": answer["failures"][0]["reason"],
            }
        }
    (told,) = answer["protectedTasks"]
    return 200, {
        "protection": {
            "ExpirationDate": _timestamp(told.get("expirationDate")),
            "ProtectionEnabled": told["protectionEnabled"],
            "TaskArn": task_arn,
        }
    }


def _body(body: bytes) -> dict[str, Any]:
    """UpdateTaskProtection's members, from the agent's spelling.

    Raises:
        RefusedError: it is not what the agent understands.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise RefusedError("InvalidParameterException", f"Failed to decode request: {error}") from (
            error
        )
    if not isinstance(content, dict) or not isinstance(content.get("ProtectionEnabled"), bool):
        raise RefusedError(
            "InvalidParameterException", "Invalid request: does not contain 'ProtectionEnabled'"
        )
    made = {"protectionEnabled": content["ProtectionEnabled"]}
    if content.get("ExpiresInMinutes") is not None:
        made["expiresInMinutes"] = content["ExpiresInMinutes"]
    return made


def _require(task: dict[str, Any], action: str) -> None:
    definition = _DEFINITIONS.get()[_DEFINITION_KEY.get()(task["taskDefinitionArn"])]
    role = definition.get("taskRoleArn")
    if not role:
        raise RefusedError(
            "AccessDeniedException", f"The task has no role that could perform {action}"
        )
    cluster = {"ecs:cluster": task["clusterArn"]}
    permissions.require(role.rsplit("/", 1)[1], action, task["taskArn"], cluster)


def _timestamp(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
