"""Policy documents: always version 2012-10-17, and the few patterns that several stacks need."""

from __future__ import annotations

from typing import Any, Final

from troposphere import Sub

VERSION: Final = "2012-10-17"

Statement = dict[str, Any]
Condition = dict[str, dict[str, Any]]


def document(*statements: Statement) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow(
    actions: list[str],
    resources: list[Any],
    *,
    principal: dict[str, Any] | str | None = None,
    condition: Condition | None = None,
    sid: str | None = None,
) -> Statement:
    """A statement that allows; principal is given in resource policies only."""
    parts = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": actions,
        "Resource": resources,
        "Condition": condition,
    }
    return {name: value for name, value in parts.items() if value is not None}


def deny_plain_http(actions: list[str], resources: list[Any]) -> Statement:
    """A statement that refuses every request that does not come over TLS."""
    return {
        "Sid": "RefusePlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def trust(service: str, *, source_arn: str) -> dict[str, Any]:
    """Let a service assume the role, on behalf of this account's own resources only.

    Args:
        service: the service's principal, e.g. ecs-tasks.amazonaws.com.
        source_arn: on whose behalf; may hold `*` and Fn::Sub's references.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": from_this_account(source_arn),
    }
    return document(statement)


def from_this_account(source_arn: str) -> Condition:
    """The condition that keeps another account from borrowing a service's permissions.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
    """
    return {
        "StringEquals": {"aws:SourceAccount": Sub("${AWS::AccountId}")},
        "ArnLike": {"aws:SourceArn": Sub(source_arn)},
    }
