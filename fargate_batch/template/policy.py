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
    return _statement("Allow", actions, resources, principal, condition, sid)


def deny_plain_http(actions: list[str], resources: list[Any]) -> Statement:
    """A statement that refuses every request that does not come over TLS."""
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return _statement("Deny", actions, resources, "*", condition, "RefusePlainHttp")


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


def _statement(
    effect: str,
    actions: list[str],
    resources: list[Any],
    principal: dict[str, Any] | str | None,
    condition: Condition | None,
    sid: str | None,
) -> Statement:
    statement: Statement = {} if sid is None else {"Sid": sid}
    statement["Effect"] = effect
    if principal is not None:
        statement["Principal"] = principal
    statement["Action"] = actions
    statement["Resource"] = resources
    if condition is not None:
        statement["Condition"] = condition
    return statement
