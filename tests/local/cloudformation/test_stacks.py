from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.cloudformation.conftest import Resources, failure

if TYPE_CHECKING:
    from collections.abc import Callable


def role(unique: str) -> Resources:
    trust = {"Version": "2012-10-17", "Statement": []}
    return {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": unique, "AssumeRolePolicyDocument": trust},
        }
    }


def test_named_roles_need_their_capability(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    for capabilities in ([], ["CAPABILITY_IAM"]):
        with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM"):
            stack(role(unique), Capabilities=capabilities)
    made = stack(role(unique), Capabilities=["CAPABILITY_NAMED_IAM"])
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)


def test_describe_stacks_names_the_notifications_that_sceptre_compares(
    stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    made = stack({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": unique}}})
    assert made["NotificationARNs"] == []
