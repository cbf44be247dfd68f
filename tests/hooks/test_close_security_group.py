from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from sceptre.stack import Stack

from fargate_batch.errors import UserError
from hooks.close_security_group import CloseSecurityGroup, close_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_ec2 import EC2Client

GROUP = "sg-0123456789abcdef0"
RULES = [
    {"SecurityGroupRuleId": "sgr-in", "IsEgress": False},
    {"SecurityGroupRuleId": "sgr-out", "IsEgress": True},
]


def ec2_client() -> EC2Client:
    return boto3.client(
        "ec2",
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106  # nothing is called
    )


@pytest.fixture
def ec2() -> Iterator[Stubber]:
    with Stubber(ec2_client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def expect_rules(ec2: Stubber, rules: list[dict[str, Any]]) -> None:
    ec2.add_response(
        "describe_security_group_rules",
        {"SecurityGroupRules": rules},
        {"Filters": [{"Name": "group-id", "Values": [GROUP]}]},
    )


def expect_revocation(ec2: Stubber, direction: str, rule: str) -> None:
    ec2.add_response(
        f"revoke_security_group_{direction}",
        {"Return": True},
        {"GroupId": GROUP, "SecurityGroupRuleIds": [rule]},
    )


def test_every_rule_is_taken_out(ec2: Stubber) -> None:
    expect_rules(ec2, RULES)
    expect_revocation(ec2, "ingress", "sgr-in")
    expect_revocation(ec2, "egress", "sgr-out")
    assert close_group(cast("EC2Client", ec2.client), GROUP) == 2


def test_a_closed_group_is_left_alone(ec2: Stubber) -> None:
    expect_rules(ec2, [])
    assert close_group(cast("EC2Client", ec2.client), GROUP) == 0


def hook(monkeypatch: pytest.MonkeyPatch, described: dict[str, Any], ec2: Stubber) -> Any:
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
    monkeypatch.setattr(found, "client", lambda _service: ec2.client)
    return found


def described(status: str, *outputs: str) -> dict[str, Any]:
    return {
        "StackStatus": status,
        "Outputs": [{"OutputKey": output, "OutputValue": GROUP} for output in outputs],
    }


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE"])
def test_group_of_a_living_stack_is_closed(
    monkeypatch: pytest.MonkeyPatch, ec2: Stubber, status: str
) -> None:
    expect_rules(ec2, RULES[:1])
    expect_revocation(ec2, "ingress", "sgr-in")
    hook(monkeypatch, described(status, "DefaultSecurityGroupId"), ec2).run()


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "UPDATE_FAILED"])
def test_failed_stack_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, ec2: Stubber, status: str
) -> None:
    # The stub answers no call, so that any call would fail the test.
    hook(monkeypatch, described(status, "DefaultSecurityGroupId"), ec2).run()


def test_stack_without_the_output_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, ec2: Stubber
) -> None:
    hook(monkeypatch, described("UPDATE_COMPLETE"), ec2).run()


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
