from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import Output, StageOutput, ledger_stack_name

if TYPE_CHECKING:
    from fargate_batch.environment import Environment

BUCKETS = [Output.INPUT_BUCKET_NAME, Output.OUTPUT_BUCKET_NAME]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_bucket_is_closed_versioned_and_announces_objects(
    launched: Environment, bucket: Output
) -> None:
    s3, name = launched.client("s3"), launched[bucket]
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    notifications = s3.get_bucket_notification_configuration(Bucket=name)
    assert "EventBridgeConfiguration" in notifications


@pytest.mark.parametrize("bucket", BUCKETS)
def test_bucket_encrypts_with_the_environments_key(launched: Environment, bucket: Output) -> None:
    answer = launched.client("s3").get_bucket_encryption(Bucket=launched[bucket])
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    assert default["KMSMasterKeyID"] == launched[Output.KEY_ARN]
    assert rule["BucketKeyEnabled"] is True


def test_key_rotates(launched: Environment) -> None:
    status = launched.client("kms").get_key_rotation_status(KeyId=launched[Output.KEY_ARN])
    assert status["KeyRotationEnabled"] is True


def test_ledger_is_the_tap_table(launched: Environment) -> None:
    name = launched[Output.LEDGER_TABLE_NAME]
    table = launched.client("dynamodb").describe_table(TableName=name)["Table"]
    assert name == f"TurnAroundPromptTable{launched.name}"
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "id", "AttributeType": "S"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert not table.get("DeletionProtectionEnabled")


def test_ledger_exports_its_outputs(launched: Environment) -> None:
    stack = ledger_stack_name(launched.name)
    exports = {
        export["Name"]: export["Value"]
        for page in launched.client("cloudformation").get_paginator("list_exports").paginate()
        for export in page["Exports"]
    }
    assert exports[f"{stack}-TurnAroundPromptTableName"] == launched[Output.LEDGER_TABLE_NAME]
    assert exports[f"{stack}-TurnAroundPromptTableArn"] == launched[Output.LEDGER_TABLE_ARN]
    assert exports[f"{stack}-StackName"] == stack
    assert exports[f"{stack}-EnvironmentSuffix"] == launched.name


def test_each_stage_has_a_repository_with_immutable_tags(launched: Environment) -> None:
    ecr = launched.client("ecr")
    for stage in launched.settings.stages:
        name = launched.of(stage.name, StageOutput.REPOSITORY_URI).split("/", 1)[1]
        repository = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"]["scanOnPush"] is True
        images = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert len(images) >= 1


def test_each_stage_has_a_queue_with_a_dead_letter_queue(launched: Environment) -> None:
    sqs = launched.client("sqs")
    for stage in launched.settings.stages:
        attributes = sqs.get_queue_attributes(
            QueueUrl=launched.of(stage.name, StageOutput.QUEUE_URL), AttributeNames=["All"]
        )["Attributes"]
        assert (
            launched.of(stage.name, StageOutput.DEAD_LETTER_QUEUE_ARN)
            in (attributes["RedrivePolicy"])
        )
