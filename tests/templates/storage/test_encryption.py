from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import StackPath

if TYPE_CHECKING:
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def encryption(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.ENCRYPTION)


def statement(encryption: Rendered, sid: str) -> dict[str, Any]:
    statements = encryption.properties("Key")["KeyPolicy"]["Statement"]
    (found,) = [one for one in statements if one["Sid"] == sid]
    assert isinstance(found, dict)
    return found


def test_key_rotates_and_goes_as_soon_as_kms_allows(encryption: Rendered) -> None:
    key = encryption.properties("Key")
    assert key["EnableKeyRotation"] is True
    assert key["PendingWindowInDays"] == 7


def test_key_has_an_alias_of_this_environment(encryption: Rendered) -> None:
    alias = encryption.properties("KeyAlias")
    assert alias["AliasName"] == {"Fn::Sub": "alias/fargate-batch-${EnvironmentSuffix}"}
    assert alias["TargetKeyId"] == {"Ref": "Key"}


def test_cloudwatch_logs_may_use_the_key_for_this_environments_groups(
    encryption: Rendered,
) -> None:
    logs = statement(encryption, "LogGroupsOfThisEnvironment")
    assert logs["Principal"]["Service"] == {"Fn::Sub": "logs.${AWS::Region}.${AWS::URLSuffix}"}
    # The five that CloudWatch Logs asks for when a group is given the key.
    assert set(logs["Action"]) == {
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:DescribeKey",
    }
    groups = [
        arn["Fn::Sub"].split(":log-group:")[1]
        for arn in logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    ]
    assert "/fargate-batch/*/${EnvironmentSuffix}" in groups
    assert all("${EnvironmentSuffix}" in group for group in groups)


def test_every_log_group_of_the_environment_is_covered_by_the_key(
    encryption: Rendered, render: Render, environment: str
) -> None:
    logs = statement(encryption, "LogGroupsOfThisEnvironment")
    covered = [
        arn["Fn::Sub"].split(":log-group:")[1]
        for arn in logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    ]
    for path in StackPath:
        for group in render(environment, path).of_type("AWS::Logs::LogGroup").values():
            name = group["LogGroupName"]["Fn::Sub"]
            parts = name.split("/")
            wildcard = "/".join([*parts[:2], "*", *parts[3:]])
            assert name in covered or wildcard in covered, name


@pytest.mark.parametrize(
    ("sid", "service"),
    [
        ("RulesWriteToEncryptedQueues", "events.amazonaws.com"),
        ("AlarmsWriteToEncryptedTopic", "cloudwatch.amazonaws.com"),
    ],
)
def test_services_use_the_key_for_this_account_only(
    encryption: Rendered, sid: str, service: str
) -> None:
    allowed = statement(encryption, sid)
    assert allowed["Principal"] == {"Service": service}
    assert {"kms:Decrypt", "kms:GenerateDataKey"} == {
        action.removesuffix("*") for action in allowed["Action"]
    }
    assert allowed["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_account_keeps_control_without_a_wildcard(encryption: Rendered) -> None:
    account = statement(encryption, "AccountDecidesByIam")
    assert not any("*" in action for action in account["Action"])
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:Decrypt"} <= set(account["Action"])
