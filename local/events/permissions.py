"""What EventBridge may do: run tasks with the target's role, send to queues by the queue's policy.

On AWS a missing permission shows as nothing but an event that never arrives; so it must here.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import Any, Final

from local.responses import RefusedError
from local.symbols import Symbol

_QUEUE_ALLOWS: Final = Symbol(
    "services.sqs", "queue_policy_allows", ("queue_arn", "service", "source_arn", "source_account")
)
_PIN_ORIGIN: Final = Symbol(
    "core.iam_evaluator", "pin_request_origin", ("source_ip", "secure_transport")
)
_ROLE_POLICIES: Final = Symbol(
    "core.iam_evaluator", "_gather_role_policies", ("role_name", "account_id")
)
_EVALUATE: Final = Symbol("core.iam_evaluator", "evaluate", ("ctx", "policies", "limits"))
_CONTEXT: Final = Symbol("core.iam_evaluator", "EvalContext")
_ROLES: Final = Symbol("services.iam", "_roles")
_TASK_DEFINITIONS: Final = Symbol("services.ecs", "_task_defs")
_DEFINITION_KEY: Final = Symbol("services.ecs", "_resolve_td_key", ("ref",))

SYMBOLS: Final = (
    _QUEUE_ALLOWS,
    _PIN_ORIGIN,
    _ROLE_POLICIES,
    _EVALUATE,
    _CONTEXT,
    _ROLES,
    _TASK_DEFINITIONS,
    _DEFINITION_KEY,
)

_SERVICE: Final = "events.amazonaws.com"


def may_send(queue_arn: str, rule: dict[str, Any]) -> bool:
    """Whether a queue's policy lets the rule send to it."""
    account = rule["Arn"].split(":")[4]

    def ask() -> bool:
        # EventBridge comes over TLS by itself, whatever caused the event: a task that stops is
        # nobody's request.
        _PIN_ORIGIN.get()("", True)
        allowed: bool = _QUEUE_ALLOWS.get()(queue_arn, _SERVICE, rule["Arn"], account)
        return allowed

    return copy_context().run(ask)


def check_run_task(role_arn: str | None, request: dict[str, Any]) -> None:
    """Make sure that a target's role may run the task and pass on the task's roles.

    Args:
        role_arn: the target's RoleArn.
        request: RunTask's request.

    Raises:
        RefusedError: it may not; the message names the action and the resource.
    """
    name = role_arn.rsplit("/", 1)[-1] if role_arn else ""
    if name not in _ROLES.get():
        raise RefusedError("AccessDeniedException", f"{_SERVICE} cannot assume the role {role_arn}")
    definition = _TASK_DEFINITIONS.get().get(_DEFINITION_KEY.get()(request["taskDefinition"]))
    if definition is None:
        return  # RunTask says so itself
    require(
        name,
        "ecs:RunTask",
        definition["taskDefinitionArn"],
        {"ecs:cluster": request["cluster"]},
    )
    for field in ("taskRoleArn", "executionRoleArn"):
        if definition.get(field):
            require(
                name,
                "iam:PassRole",
                definition[field],
                {"iam:passedtoservice": "ecs-tasks.amazonaws.com"},
            )


def require(role: str, action: str, resource: str, context: dict[str, str]) -> None:
    """Make sure that a role may do something, when a service does it in the role's name.

    Raises:
        RefusedError: it may not; the message names the action and the resource.
    """
    from ministack.core.responses import get_account_id, get_region

    account = get_account_id()
    principal = f"arn:aws:sts::{account}:assumed-role/{role}/events"
    made = _CONTEXT.get()(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context=context,
    )
    result = _EVALUATE.get()(made, _ROLE_POLICIES.get()(role, account))
    if result.decision != "Allow":
        raise RefusedError(
            "AccessDeniedException",
            f"{principal} is not authorized to perform: {action} on resource: {resource}",
        )
