from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sceptre.stack import Stack

from fargate_batch.errors import UserError
from hooks.verify_state import VerifyState

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "fargate-batch-dev-storage-queues"


@pytest.fixture
def stack() -> Stack:
    return Stack(
        name="dev/storage/queues",
        project_code="fargate-batch",
        region="eu-west-1",
        template_handler_config={"path": "storage/queues.py"},
        hooks={"before_launch": [VerifyState()]},
    )


def run(stack: Stack) -> None:
    (hook,) = stack.hooks["before_launch"]
    hook.run()


def record(recorded: Any, status: str) -> None:
    recorded["cloudformation"].add_response(
        "describe_stacks",
        {"Stacks": [{"StackName": NAME, "StackStatus": status, "CreationTime": "2026-01-01"}]},
        {"StackName": NAME},
    )


def record_failure(recorded: Any, reason: str) -> None:
    recorded["cloudformation"].add_response(
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": "Queue",
                    "ResourceType": "AWS::SQS::Queue",
                    "LastUpdatedTimestamp": "2026-01-01",
                    "ResourceStatus": "UPDATE_FAILED",
                    "ResourceStatusReason": reason,
                }
            ]
        },
        {"StackName": NAME},
    )


@pytest.mark.parametrize(
    "status",
    [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "ROLLBACK_COMPLETE",
        "CREATE_FAILED",
        "REVIEW_IN_PROGRESS",
    ],
)
def test_what_launch_can_handle_passes(stack: Stack, recorded: Any, status: str) -> None:
    record(recorded, status)
    run(stack)


@pytest.mark.usefixtures("on_local_aws")
def test_a_stack_that_does_not_exist_passes(stack: Stack) -> None:
    run(stack)


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("DELETE_FAILED", "sceptre delete dev/storage/queues.yaml"),
        ("ROLLBACK_FAILED", "sceptre delete dev/storage/queues.yaml"),
        ("UPDATE_FAILED", f"aws cloudformation rollback-stack --stack-name {NAME}"),
        (
            "UPDATE_ROLLBACK_FAILED",
            f"aws cloudformation continue-update-rollback --stack-name {NAME}",
        ),
    ],
)
def test_a_stuck_stack_is_refused_with_reason_and_way_out(
    stack: Stack, recorded: Any, status: str, way_out: str
) -> None:
    record(recorded, status)
    record_failure(recorded, "no more of them")
    with pytest.raises(UserError) as refused:
        run(stack)
    assert str(refused.value) == (
        f"config/dev/storage/queues.yaml: its stack is {status} and cannot be launched. "
        f"What failed: Queue (no more of them). Mend that, then `{way_out}`, then launch again."
    )


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_a_stack_that_somebody_else_is_changing_is_refused(
    stack: Stack, recorded: Any, status: str
) -> None:
    record(recorded, status)
    with pytest.raises(UserError, match=f"is {status}, so somebody else is changing it"):
        run(stack)


def test_a_real_stack_whose_deletion_failed_is_refused(
    stack: Stack, deploy: Callable[..., str], client: Callable[[str], Any], status_of: Any
) -> None:
    deploy(stack, {"Bucket": {"Type": "AWS::S3::Bucket"}}, {"Name": {"Ref": "Bucket"}})
    cloudformation, s3 = client("cloudformation"), client("s3")
    (made,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    bucket = made["Outputs"][0]["OutputValue"]
    s3.put_object(Bucket=bucket, Key="left", Body=b"x")
    cloudformation.delete_stack(StackName=NAME)
    assert status_of(cloudformation, stack) == "DELETE_FAILED"
    with pytest.raises(UserError, match=r"is DELETE_FAILED and cannot .*What failed: Bucket \("):
        run(stack)
    s3.delete_object(Bucket=bucket, Key="left")
    cloudformation.delete_stack(StackName=NAME)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
    )
    run(stack)
