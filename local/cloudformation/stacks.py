"""Stacks: what DescribeStacks tells, and where their resources are made.

Without NotificationARNs in the answer `sceptre diff` fails.
"""

from __future__ import annotations

from typing import Any, Final

from local.symbols import Symbol

_ACTIONS: Final = Symbol("services.cloudformation.handlers", "_ACTION_HANDLERS")
_ON_WORKER_THREAD: Final = Symbol(
    "services.cloudformation.stacks", "_runs_on_worker_thread", ("resource_type",)
)

SYMBOLS: Final = (_ACTIONS, _ON_WORKER_THREAD)


def install() -> None:
    """Complete the answer, and make every resource on a thread.

    Handlers here call the API or wait for tasks to drain; on the event loop, where MiniStack runs
    most of them, that would wait for itself.
    """
    _ON_WORKER_THREAD.set(lambda _resource_type: True)
    actions = _ACTIONS.get()
    describe = actions["DescribeStacks"]

    def describe_stacks(params: dict[str, Any]) -> Any:
        status, headers, body = describe(params)
        text = body if isinstance(body, str) else body.decode()
        completed = text.replace("</StackName>", "</StackName><NotificationARNs/>")
        return status, headers, completed if isinstance(body, str) else completed.encode()

    actions["DescribeStacks"] = describe_stacks
