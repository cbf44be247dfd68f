from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sceptre.stack import Stack

from fargate_batch.errors import UserError
from hooks.close_security_group import CloseSecurityGroup, close_group

GROUP = "sg-0123456789abcdef0"
RULES = [
    {"SecurityGroupRuleId": "sgr-in", "IsEgress": False},
    {"SecurityGroupRuleId": "sgr-out", "IsEgress": True},
]


def expect_rules(recorded: Any, rules: list[dict[str, Any]]) -> None:
    recorded["ec2"].add_response(
        "describe_security_group_rules",
        {"SecurityGroupRules": rules},
        {"Filters": [{"Name": "group-id", "Values": [GROUP]}]},
    )


def expect_revocation(recorded: Any, direction: str, rule: str) -> None:
    recorded["ec2"].add_response(
        f"revoke_security_group_{direction}",
        {"Return": True},
        {"GroupId": GROUP, "SecurityGroupRuleIds": [rule]},
    )


def test_every_rule_is_taken_out(recorded: Any) -> None:
    expect_rules(recorded, RULES)
    expect_revocation(recorded, "ingress", "sgr-in")
    expect_revocation(recorded, "egress", "sgr-out")
    assert close_group(recorded.client("ec2"), GROUP) == 2


def test_a_closed_group_is_left_alone(recorded: Any) -> None:
    expect_rules(recorded, [])
    assert close_group(recorded.client("ec2"), GROUP) == 0


def hook(monkeypatch: pytest.MonkeyPatch, described: dict[str, Any]) -> Any:
    stack = Stack(
        name="dev/network/vpc",
        project_code="fargate-batch",
        region="eu-west-1",
        template_handler_config={"path": "network/vpc.py"},
        hooks={"after_create": [CloseSecurityGroup({"output": "DefaultSecurityGroupId"})]},
        stack_group_config={"project_path": str(Path.cwd())},
    )
    (found,) = stack.hooks["after_create"]
    monkeypatch.setattr(found, "described_stack", lambda: described)
    return found


def described(status: str, *outputs: str) -> dict[str, Any]:
    return {
        "StackStatus": status,
        "Outputs": [{"OutputKey": output, "OutputValue": GROUP} for output in outputs],
    }


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE"])
def test_group_of_a_living_stack_is_closed(
    monkeypatch: pytest.MonkeyPatch, recorded: Any, status: str
) -> None:
    expect_rules(recorded, RULES[:1])
    expect_revocation(recorded, "ingress", "sgr-in")
    hook(monkeypatch, described(status, "DefaultSecurityGroupId")).run()


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "UPDATE_FAILED"])
@pytest.mark.usefixtures("recorded")
def test_failed_stack_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    # The stub answers no call, so that any call would fail the test.
    hook(monkeypatch, described(status, "DefaultSecurityGroupId")).run()


@pytest.mark.usefixtures("recorded")
def test_stack_without_the_output_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    hook(monkeypatch, described("UPDATE_COMPLETE")).run()


@pytest.mark.parametrize("argument", [None, {}, {"output": ""}, {"output": 5}])
def test_wrong_argument_is_refused_when_the_stack_is_read(argument: Any) -> None:
    with pytest.raises(UserError, match="hook !close_security_group: output"):
        Stack(
            name="dev/network/vpc",
            project_code="fargate-batch",
            region="eu-west-1",
            template_handler_config={"path": "network/vpc.py"},
            hooks={"after_create": [CloseSecurityGroup(argument)]},
        )
