from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.cloudformation.conftest import failure

if TYPE_CHECKING:
    from collections.abc import Callable


def rule(**properties: Any) -> dict[str, Any]:
    return {"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}}


def test_a_schedule_may_have_several_targets(
    clients: Any, unique: str, stack: Callable[..., Any]
) -> None:
    targets = [
        {"Id": name, "Arn": f"arn:aws:sqs:eu-west-1:123456789012:{name}", "Input": '{"a": 1}'}
        for name in ("one", "two")
    ]
    stack(rule(Name=unique, ScheduleExpression="rate(15 minutes)", Targets=targets))
    described = clients.events.describe_rule(Name=unique)
    assert described["ScheduleExpression"] == "rate(15 minutes)"
    assert clients.events.list_targets_by_rule(Rule=unique)["Targets"] == targets


def test_an_invalid_schedule_fails_the_stack(
    clients: Any, unique: str, stack: Callable[..., Any]
) -> None:
    assert stack(rule(ScheduleExpression="rate(15 minute)"))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "ScheduleExpression is not valid" in failure(clients, unique)


def test_a_rule_that_nothing_triggers_fails_the_stack(
    clients: Any, unique: str, stack: Callable[..., Any]
) -> None:
    assert stack(rule(Name=unique))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "EventPattern or ScheduleExpression" in failure(clients, unique)
