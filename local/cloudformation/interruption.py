"""Stacks whose operation a stop of the local AWS interrupts.

On AWS an operation goes on whatever its client does. So a stop waits for operations a while, and
one that takes longer ends in a state that CloudFormation knows and from which the same command goes
on: a stack that was being made is made anew, one that was being updated is updated again, and one
that was being deleted is deleted again.
"""

from __future__ import annotations

from typing import Any, Final

from local.symbols import Symbol

_STACKS: Final = Symbol("services.cloudformation", "_stacks")
_ADD_EVENT: Final = Symbol(
    "services.cloudformation.stacks",
    "_add_event",
    (
        "stack_id",
        "stack_name",
        "logical_id",
        "resource_type",
        "status",
        "reason",
        "physical_id",
        "detailed_status",
    ),
)

SYMBOLS: Final = (_STACKS, _ADD_EVENT)

_REASON: Final = "The local AWS was stopped before the operation had ended"
_BEGUN_ONLY: Final = "REVIEW_IN_PROGRESS"
"""Of a stack that a change set will make: nothing is done to it."""


def in_progress() -> bool:
    """Whether an operation on a stack is under way."""
    return any(_is_in_progress(stack) for stack in _STACKS.get().all_values())


def settle() -> None:
    """End what a stop interrupted, after stacks were restored."""
    from ministack.core.responses import request_scope

    for (account, region, _), stack in _STACKS.get().all_items():
        if _is_in_progress(stack):
            with request_scope(account, region):
                _settle(stack)


def settled(status: str) -> str:
    """The state in which an interrupted operation ends.

    Args:
        status: the state that it was in, with _IN_PROGRESS at its end.
    """
    if status in ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_IN_PROGRESS"):
        return "UPDATE_COMPLETE"
    if status.startswith(("UPDATE", "IMPORT")):
        return "UPDATE_ROLLBACK_COMPLETE"
    return "DELETE_FAILED" if status.startswith("DELETE") else "CREATE_FAILED"


def _is_in_progress(stack: dict[str, Any]) -> bool:
    status: str = stack["StackStatus"]
    return status.endswith("_IN_PROGRESS") and status != _BEGUN_ONLY


def _settle(stack: dict[str, Any]) -> None:
    status = settled(stack["StackStatus"])
    if status == "UPDATE_ROLLBACK_COMPLETE":
        # The new template may be recorded already. Unless it differs from what somebody sends, the
        # same update again would be told that there is nothing to do.
        stack["_template"] = {**stack["_template"], "Metadata": {"Interrupted": _REASON}}
    stack["StackStatus"], stack["StackStatusReason"] = status, _REASON
    _ADD_EVENT.get()(
        stack["StackId"],
        stack["StackName"],
        stack["StackName"],
        "AWS::CloudFormation::Stack",
        status,
        _REASON,
        stack["StackId"],
    )
