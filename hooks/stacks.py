"""What CloudFormation says of a stack, now or once it has finished with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_cloudformation import CloudFormationClient

# A stack in one of these never stood, so it holds nothing that anybody could miss. `launch` deletes
# it by itself, but for ROLLBACK_FAILED, which `!verify_state` sees to.
NEVER_CREATED: Final = (
    "CREATE_FAILED",
    "ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_FAILED",
)
STANDING: Final = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
)
# CloudFormation itself waits for three hours for a service that does not become steady; whoever
# waits for this command is to hear of it before that.
LONGEST_WAIT_SECONDS: Final = 3600
POLL_SECONDS: Final = 3


def describe_stack(cloudformation: CloudFormationClient, name: str) -> dict[str, Any] | None:
    """What CloudFormation says of a stack; None where it does not exist."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for it.
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return dict(stacks[0])


def settled_stack(
    cloudformation: CloudFormationClient,
    name: str,
    report: Callable[[str], None],
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
) -> dict[str, Any] | None:
    """What CloudFormation says of a stack once nothing changes it; None where it does not exist.

    `report` is called with each status that is waited in.

    Raises:
        UserError: it still changes after `longest_wait_seconds`.
    """
    deadline = time.monotonic() + longest_wait_seconds
    told = ""
    while (described := describe_stack(cloudformation, name)) and is_changing(described):
        status = described["StackStatus"]
        if time.monotonic() > deadline:
            raise UserError(
                f"The stack {name} is {status} and was not done within "
                f"{longest_wait_seconds:.0f} s. `aws cloudformation describe-stack-events "
                f"--stack-name {name}` says what it waits for. Give the same command again; it "
                "goes on from here."
            )
        if status != told:
            report(status)
            told = status
        time.sleep(POLL_SECONDS)
    return described


def is_changing(described: dict[str, Any]) -> bool:
    """Whether CloudFormation is at work on a described stack."""
    status = described["StackStatus"]
    # A change set that nobody executed: `launch` clears it away.
    return bool(status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS")


def failures_of(cloudformation: CloudFormationClient, described: dict[str, Any]) -> str:
    """On which resources a described stack's last change failed, each with its reason."""
    name = described["StackName"]
    # A rollback that came through has put the resources right; the events still tell.
    failed = failed_resources(cloudformation, name) or failed_events(cloudformation, name)
    return ", ".join(failed) or str(described.get("StackStatusReason", "not told"))


def failed_resources(cloudformation: CloudFormationClient, name: str) -> list[str]:
    """The resources that a stack's last change left failed, each with CloudFormation's reason."""
    return [
        f"{resource['LogicalResourceId']} ({resource.get('ResourceStatusReason', 'no reason')})"
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceStatus"].endswith("_FAILED")
    ]


def failed_events(cloudformation: CloudFormationClient, name: str) -> list[str]:
    """The failures since a stack's last creation or update began, the first one first."""
    failed: list[str] = []
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            of_stack = event.get("PhysicalResourceId") == event["StackId"]
            status = event.get("ResourceStatus", "")
            if of_stack and status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                return failed[::-1]
            reason = event.get("ResourceStatusReason", "no reason")
            # Those that were still under way when another one failed say that they were cancelled.
            if not of_stack and status.endswith("_FAILED") and "cancelled" not in reason:
                failed.append(f"{event.get('LogicalResourceId')} ({reason})")
    return failed[::-1]


def outputs_of(described: dict[str, Any]) -> dict[str, str]:
    """A described stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def parameters_of(described: dict[str, Any]) -> dict[str, str]:
    """A described stack's parameters by name."""
    return {
        parameter["ParameterKey"]: parameter["ParameterValue"]
        for parameter in described.get("Parameters", [])
    }
