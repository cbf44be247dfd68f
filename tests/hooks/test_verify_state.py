from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from sceptre.stack import Stack

from fargate_batch.errors import UserError
from hooks.stacks import settled_stack
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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hooks.stacks.POLL_SECONDS", 0)
    monkeypatch.setattr("hooks.verify_state.POLL_SECONDS", 0)


def record(recorded: Any, status: str, name: str = NAME) -> None:
    recorded["cloudformation"].add_response(
        "describe_stacks",
        {"Stacks": [{"StackName": name, "StackStatus": status, "CreationTime": "2026-01-01"}]},
        {"StackName": name},
    )


def record_absence(recorded: Any) -> None:
    recorded["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist", 400
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
        ("UPDATE_FAILED", f"aws cloudformation rollback-stack --stack-name {NAME}"),
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


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS"])
def test_what_an_earlier_command_began_is_waited_for(
    stack: Stack, recorded: Any, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    record(recorded, status)
    record(recorded, status)
    record(recorded, "UPDATE_COMPLETE")
    run(stack)
    (told,) = caplog.messages
    waiting = f"dev/storage/queues is {status} since an earlier command; waiting for its end"
    assert told.endswith(waiting)


def test_a_deletion_that_goes_on_is_waited_for_until_nothing_is_left(
    stack: Stack, recorded: Any
) -> None:
    record(recorded, "DELETE_IN_PROGRESS")
    record_absence(recorded)
    run(stack)


def test_what_fails_while_it_is_waited_for_is_refused(stack: Stack, recorded: Any) -> None:
    record(recorded, "DELETE_IN_PROGRESS")
    record(recorded, "DELETE_FAILED")
    record_failure(recorded, "not empty")
    with pytest.raises(UserError, match=r"is DELETE_FAILED and cannot .*Queue \(not empty\)"):
        run(stack)


def test_a_change_that_does_not_end_is_told_with_the_way_to_look_at_it(recorded: Any) -> None:
    record(recorded, "UPDATE_IN_PROGRESS")
    with pytest.raises(UserError) as late:
        settled_stack(
            recorded.client("cloudformation"), NAME, lambda _: None, longest_wait_seconds=-1
        )
    assert f"`aws cloudformation describe-stack-events --stack-name {NAME}`" in str(late.value)
    assert "the same command again" in str(late.value)


def test_a_rollback_that_failed_is_gone_on_with_and_skips_nothing(
    stack: Stack, recorded: Any
) -> None:
    record(recorded, "UPDATE_ROLLBACK_FAILED")
    recorded["cloudformation"].add_response("continue_update_rollback", {}, {"StackName": NAME})
    record(recorded, "UPDATE_ROLLBACK_IN_PROGRESS")
    record(recorded, "UPDATE_ROLLBACK_COMPLETE")
    run(stack)


def test_a_rollback_that_fails_again_is_refused_with_reason_and_way_out(
    stack: Stack, recorded: Any
) -> None:
    record(recorded, "UPDATE_ROLLBACK_FAILED")
    recorded["cloudformation"].add_response("continue_update_rollback", {}, {"StackName": NAME})
    record(recorded, "UPDATE_ROLLBACK_FAILED")
    record_failure(recorded, "in use")
    with pytest.raises(UserError) as refused:
        run(stack)
    assert "What failed: Queue (in use)" in str(refused.value)
    assert f"`aws cloudformation continue-update-rollback --stack-name {NAME}`" in str(
        refused.value
    )


def test_what_a_failed_creation_left_is_deleted(stack: Stack, recorded: Any) -> None:
    record(recorded, "ROLLBACK_FAILED")
    recorded["cloudformation"].add_response("delete_stack", {}, {"StackName": NAME})
    record(recorded, "DELETE_IN_PROGRESS")
    record_absence(recorded)
    run(stack)


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_FAILED"])
def test_a_protected_stack_is_left_to_sceptres_refusal(
    stack: Stack, recorded: Any, status: str
) -> None:
    assert recorded
    assert status
    stack.protected = True
    run(stack)


def needed_by(stack: Stack) -> Stack:
    needed = Stack(
        name="dev/storage/encryption",
        project_code="fargate-batch",
        region="eu-west-1",
        template_handler_config={"path": "storage/encryption.py"},
    )
    stack.dependencies = [needed]
    return needed


def test_a_stack_is_not_launched_when_one_that_it_depends_on_has_failed(
    stack: Stack, recorded: Any
) -> None:
    needed = needed_by(stack)
    record(recorded, "ROLLBACK_COMPLETE", needed.external_name)
    recorded["cloudformation"].add_response(
        "list_stack_resources", {"StackResourceSummaries": []}, {"StackName": needed.external_name}
    )
    recorded["cloudformation"].add_response(
        "describe_stack_events",
        {
            "StackEvents": [
                event("Stack", "ROLLBACK_COMPLETE"),
                event("Key", "DELETE_COMPLETE"),
                event("Alias", "CREATE_FAILED", "Resource creation cancelled"),
                event("Key", "CREATE_FAILED", "no such principal"),
                event("Stack", "CREATE_IN_PROGRESS", "User Initiated"),
                event("Key", "CREATE_FAILED", "of an earlier time"),
            ]
        },
        {"StackName": needed.external_name},
    )
    with pytest.raises(UserError) as refused:
        run(stack)
    assert str(refused.value) == (
        "config/dev/storage/queues.yaml was left as it is, for it depends on "
        "config/dev/storage/encryption.yaml, whose stack is ROLLBACK_COMPLETE. What failed: Key "
        "(no such principal). Mend that and launch again; it goes on from here."
    )


def test_a_stack_is_launched_when_all_that_it_depends_on_stand(stack: Stack, recorded: Any) -> None:
    needed = needed_by(stack)
    record(recorded, "CREATE_IN_PROGRESS", needed.external_name)
    record(recorded, "CREATE_COMPLETE", needed.external_name)
    record(recorded, "UPDATE_COMPLETE")
    run(stack)


def event(name: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "id",
        "EventId": "1",
        "StackName": "s",
        "Timestamp": "2026-01-01",
        "LogicalResourceId": name,
        "PhysicalResourceId": "id" if name == "Stack" else f"{name}-1",
        "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
    }


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
