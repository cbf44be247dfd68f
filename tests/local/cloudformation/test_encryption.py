from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.cloudformation.conftest import failure

if TYPE_CHECKING:
    from collections.abc import Callable


def key_policy(unique: str, *, logs: bool) -> dict[str, Any]:
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if logs:
        arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:/tests/{unique}*"
        statements.append(
            {
                "Effect": "Allow",
                "Principal": {"Service": "logs.eu-west-1.amazonaws.com"},
                "Action": [
                    "kms:Encrypt*",
                    "kms:Decrypt*",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:Describe*",
                ],
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.mark.parametrize(
    ("logs", "expected"), [(True, "CREATE_COMPLETE"), (False, "ROLLBACK_COMPLETE")]
)
def test_an_encrypted_log_group_needs_a_key_that_lets_logs_in(
    clients: Any,
    stack: Callable[..., dict[str, Any]],
    unique: str,
    logs: bool,  # noqa: FBT001 - a parameter of the test
    expected: str,
) -> None:
    made = stack(
        {
            "Key": {
                "Type": "AWS::KMS::Key",
                "Properties": {"KeyPolicy": key_policy(unique, logs=logs)},
            },
            "Group": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {
                    "LogGroupName": f"/tests/{unique}",
                    "KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
                },
            },
        }
    )
    assert made["StackStatus"] == expected
    if not logs:
        assert "is not allowed to be used with Arn" in failure(clients, unique)
