"""DescribeStacks as AWS answers it: with NotificationARNs, without which `sceptre diff` fails."""

from __future__ import annotations

from typing import Any, Final

from local.symbols import Symbol

_ACTIONS: Final = Symbol("services.cloudformation.handlers", "_ACTION_HANDLERS")

SYMBOLS: Final = (_ACTIONS,)


def install() -> None:
    """Complete the answer."""
    actions = _ACTIONS.get()
    describe = actions["DescribeStacks"]

    def describe_stacks(params: dict[str, Any]) -> Any:
        status, headers, body = describe(params)
        text = body if isinstance(body, str) else body.decode()
        completed = text.replace("</StackName>", "</StackName><NotificationARNs/>")
        return status, headers, completed if isinstance(body, str) else completed.encode()

    actions["DescribeStacks"] = describe_stacks
