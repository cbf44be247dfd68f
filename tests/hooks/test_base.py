from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fargate_batch.errors import UserError
from hooks.close_security_group import CloseSecurityGroup
from hooks.empty_bucket import EmptyBucket
from hooks.stacks import describe_stack, failed_resources, parameters_of
from hooks.verify_account import VerifyAccount


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("!empty_bucket", r"!empty_bucket: outputs: Field required"),
        ("!empty_bucket { outputs: [] }", r"!empty_bucket: outputs: List should have at least 1"),
        ("!empty_bucket { outputs: [7] }", r"!empty_bucket: outputs.0: Input should be .* string"),
        (
            "!empty_bucket { bucket: x }",
            r"!empty_bucket: outputs: Field required; bucket: Extra inputs are not",
        ),
        ("!empty_bucket InputBucketName", r"!empty_bucket: Input should be .* dictionary"),
        ("!stop_tasks", r"!stop_tasks: cluster: Field required"),
        ("!verify_account { account: 1 }", r"!verify_account: account: Extra inputs are not"),
    ],
)
def test_a_wrong_argument_stops_the_reading_of_the_stack(
    project: Any, given: str, message: str
) -> None:
    project.edit("dev/storage/queues.yaml", "- !verify_destruction", f"- {given}")
    with pytest.raises(UserError, match=rf"^config/dev/storage/queues\.yaml: hook {message}"):
        project.stack("dev/storage/queues")


def test_a_tag_without_arguments_is_accepted_by_a_hook_that_takes_none(project: Any) -> None:
    hook = project.hook("dev/storage/queues", "before_launch", VerifyAccount)
    assert hook.arguments().model_dump() == {}


def test_arguments_arrive_typed(project: Any) -> None:
    hook = project.hook("dev/storage/buckets", "before_delete", EmptyBucket)
    assert hook.arguments().outputs[-1] == "AccessLogBucketName"


def test_a_client_has_the_stacks_region_and_keeps_trying(project: Any, on_local_aws: Any) -> None:
    project.edit("dev/config.yaml", "region: eu-west-1", "region: eu-central-1")
    client = project.hook("dev/storage/queues", "before_launch", VerifyAccount).client("s3")
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 8}
    assert client.meta.endpoint_url == on_local_aws.endpoint


def test_a_stack_that_does_not_exist_is_described_as_none(client: Any) -> None:
    assert describe_stack(client("cloudformation"), "no-such-stack") is None


def test_an_error_other_than_a_missing_stack_is_not_taken_for_one(recorded: Any) -> None:
    recorded["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "1 validation error detected", 400
    )
    cloudformation = recorded.client("cloudformation")
    with pytest.raises(cloudformation.exceptions.ClientError, match="1 validation error"):
        describe_stack(cloudformation, "x y")


def test_failed_resources_come_from_every_page_with_their_reason(recorded: Any) -> None:
    def resource(name: str, status: str, **more: Any) -> dict[str, Any]:
        return {
            "LogicalResourceId": name,
            "ResourceType": "AWS::S3::Bucket",
            "LastUpdatedTimestamp": "2026-01-01",
            "ResourceStatus": status,
            **more,
        }

    pages = recorded["cloudformation"]
    pages.add_response(
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                resource("Kept", "DELETE_FAILED", ResourceStatusReason="not empty"),
                resource("Fine", "DELETE_COMPLETE"),
            ],
            "NextToken": "2",
        },
        {"StackName": "s"},
    )
    pages.add_response(
        "list_stack_resources",
        {"StackResourceSummaries": [resource("Other", "UPDATE_FAILED")]},
        {"StackName": "s", "NextToken": "2"},
    )
    found = failed_resources(recorded.client("cloudformation"), "s")
    assert found == ["Kept (not empty)", "Other (no reason)"]


def test_parameters_are_read_by_name() -> None:
    described = {"Parameters": [{"ParameterKey": "ClusterName", "ParameterValue": "batch-dev"}]}
    assert parameters_of(described) == {"ClusterName": "batch-dev"}


@pytest.mark.parametrize(
    ("status", "since", "expected"),
    [
        ("CREATE_COMPLETE", 0, True),
        ("UPDATE_COMPLETE", 60, True),
        ("CREATE_FAILED", 60, False),
        ("ROLLBACK_COMPLETE", 60, False),
        ("DELETE_FAILED", -60, False),
        ("UPDATE_ROLLBACK_COMPLETE", 60, False),
        ("UPDATE_ROLLBACK_COMPLETE", -60, True),
    ],
)
def test_a_stack_stands_unless_this_command_failed_on_it(
    project: Any, status: str, since: float, *, expected: bool
) -> None:
    hook = project.hook("dev/network/vpc", "after_update", CloseSecurityGroup)
    updated = datetime.now(UTC) + timedelta(seconds=since)
    assert hook.stands({"StackStatus": status, "LastUpdatedTime": updated}) is expected
