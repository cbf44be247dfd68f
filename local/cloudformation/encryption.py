"""A log group with a key is refused, as on AWS, unless the key's policy lets CloudWatch Logs in."""

from __future__ import annotations

import fnmatch
import json
from typing import Any, Final

from local.cloudformation.handlers import HANDLERS, Properties, before_write
from local.selfcall import client

SYMBOLS: Final = (HANDLERS,)

_NEEDED: Final = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
)
_CONTEXT: Final = "kms:EncryptionContext:aws:logs:arn"


def install() -> None:
    """Check every log group that a stack encrypts."""
    before_write("AWS::Logs::LogGroup", _check_key)


def _check_key(properties: Properties) -> None:
    from ministack.core.responses import get_account_id, get_region

    key = properties.get("KmsKeyId")
    name = properties.get("LogGroupName")
    if not key or not name:
        return
    kms, region = client("kms"), get_region()
    arn = f"arn:aws:logs:{region}:{get_account_id()}:log-group:{name}"
    refusal = f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
    try:
        policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    except kms.exceptions.ClientError as error:
        raise ValueError(refusal) from error
    if not allows_logs(policy, f"logs.{region}.amazonaws.com", arn):
        raise ValueError(refusal)


def allows_logs(policy: dict[str, Any], principal: str, log_group_arn: str) -> bool:
    """Whether a key policy lets CloudWatch Logs use the key for a log group.

    Args:
        policy: the key policy.
        principal: CloudWatch Logs of a region, e.g. logs.eu-west-1.amazonaws.com.
        log_group_arn: the ARN of the log group, without the trailing `:*`.
    """
    granted = [
        pattern
        for statement in _as_list(policy.get("Statement"))
        if statement.get("Effect") == "Allow"
        and principal in _as_list((statement.get("Principal") or {}).get("Service"))
        and _context_matches(statement.get("Condition") or {}, log_group_arn)
        for pattern in _as_list(statement.get("Action"))
    ]
    return all(
        any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in granted)
        for action in _NEEDED
    )


def _context_matches(condition: dict[str, Any], arn: str) -> bool:
    for operator, values in condition.items():
        for key, patterns in values.items():
            if key != _CONTEXT:
                continue
            exact = operator in ("StringEquals", "ArnEquals")
            if not any(
                arn == pattern if exact else fnmatch.fnmatchcase(arn, pattern)
                for pattern in _as_list(patterns)
            ):
                return False
    return True


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
