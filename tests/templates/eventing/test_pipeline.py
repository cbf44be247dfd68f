from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.variables import Variable

from fargate_batch.names import Output, StackPath, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def pipeline(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.PIPELINE)


def target(pipeline: Rendered, stage: Stage) -> dict[str, Any]:
    (only,) = pipeline.properties(f"{stage.logical_id}Rule")["Targets"]
    assert isinstance(only, dict)
    return only


def run_by_rule(settings: Settings) -> list[Stage]:
    return [
        stage
        for stage in settings.stages
        if stage.dispatch is Dispatch.TASK or stage.name == "data-ingestion"
    ]


def statement(pipeline: Rendered, action: str) -> dict[str, Any]:
    (policy,) = pipeline.properties("EventBridgeRole")["Policies"]
    (found,) = [one for one in policy["PolicyDocument"]["Statement"] if action in one["Action"]]
    assert isinstance(found, dict)
    return found


def test_each_rule_hears_of_its_own_objects(pipeline: Rendered, settings: Settings) -> None:
    buckets = {"input": Output.INPUT_BUCKET_NAME, "output": Output.OUTPUT_BUCKET_NAME}
    for stage in settings.stages:
        rule = pipeline.properties(f"{stage.logical_id}Rule")
        assert rule["State"] == "ENABLED"
        assert rule["EventPattern"] == {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": [{"Ref": buckets[stage.source.bucket]}]},
                "object": {"key": [{"wildcard": stage.source.key_pattern}]},
            },
        }


def test_no_stage_hears_of_what_it_writes_itself(settings: Settings) -> None:
    for stage in settings.stages:
        assert stage.source.key_pattern not in getattr(stage.writes, stage.source.bucket)


def test_ingestion_is_run_in_every_environment(pipeline: Rendered, settings: Settings) -> None:
    ingestion = target(pipeline, settings.stage("data-ingestion"))
    assert ingestion["Arn"] == {"Ref": Output.CLUSTER_ARN}
    assert ingestion["EcsParameters"]["TaskCount"] == 1


def test_task_is_told_bucket_key_version_and_sequencer(
    pipeline: Rendered, settings: Settings
) -> None:
    for stage in run_by_rule(settings):
        transformer = target(pipeline, stage)["InputTransformer"]
        paths = transformer["InputPathsMap"]
        # EventBridge puts a value in with its quotes, so that the template becomes JSON only then.
        text = transformer["InputTemplate"]
        for placeholder, path in paths.items():
            assert f'"<{placeholder}>"' not in text
            text = text.replace(f"<{placeholder}>", json.dumps(path))
        (override,) = json.loads(text)["containerOverrides"]
        assert (override["name"], override["command"]) == (stage.name, ["run"])
        assert {one["name"]: one["value"] for one in override["environment"]} == {
            Variable.EVENT_BUCKET: "$.detail.bucket.name",
            Variable.EVENT_KEY: "$.detail.object.key",
            Variable.EVENT_VERSION_ID: "$.detail.object.version-id",
            Variable.EVENT_SEQUENCER: "$.detail.object.sequencer",
        }


def test_what_cannot_be_run_waits_in_the_stages_queue(
    pipeline: Rendered, settings: Settings
) -> None:
    for stage in run_by_rule(settings):
        one = target(pipeline, stage)
        assert one["DeadLetterConfig"]["Arn"] == {"Ref": StageOutput.QUEUE_ARN.of(stage.name)}
        assert one["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert one["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 60


def test_rule_names_the_family_and_so_follows_new_revisions(
    pipeline: Rendered, settings: Settings
) -> None:
    for stage in run_by_rule(settings):
        arn = target(pipeline, stage)["EcsParameters"]["TaskDefinitionArn"]["Fn::Sub"]
        assert arn.endswith(f":task-definition/${{{StageOutput.TASK_FAMILY.of(stage.name)}}}")


def test_tasks_run_in_private_subnets_on_the_environments_capacity(
    pipeline: Rendered, settings: Settings
) -> None:
    for stage in run_by_rule(settings):
        parameters = target(pipeline, stage)["EcsParameters"]
        network = parameters["NetworkConfiguration"]["AwsVpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        assert network["Subnets"] == {"Ref": Output.PRIVATE_SUBNET_IDS}
        assert parameters["PlatformVersion"] == "1.4.0"
        assert "LaunchType" not in parameters
        providers = [item["CapacityProvider"] for item in parameters["CapacityProviderStrategy"]]
        assert providers == ["FARGATE", "FARGATE_SPOT"]


def test_queued_stages_get_the_whole_event(pipeline: Rendered, settings: Settings) -> None:
    direct = {stage.name for stage in run_by_rule(settings)}
    for stage in settings.stages:
        if stage.name not in direct:
            one = target(pipeline, stage)
            assert one["Arn"] == {"Ref": StageOutput.QUEUE_ARN.of(stage.name)}
            assert one["DeadLetterConfig"]["Arn"] == {
                "Ref": StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name)
            }
            assert not {"Input", "InputPath", "InputTransformer"} & set(one)


def test_role_runs_exactly_these_families_in_this_cluster(
    pipeline: Rendered, settings: Settings
) -> None:
    run = statement(pipeline, "ecs:RunTask")
    families = [resource["Fn::Sub"].split(":task-definition/")[1] for resource in run["Resource"]]
    assert families == [
        f"${{{StageOutput.TASK_FAMILY.of(stage.name)}}}{revision}"
        for stage in run_by_rule(settings)
        for revision in ("", ":*")
    ]
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Ref": Output.CLUSTER_ARN}}}


def test_role_passes_exactly_these_roles_to_ecs(pipeline: Rendered, settings: Settings) -> None:
    passed = statement(pipeline, "iam:PassRole")
    assert passed["Resource"] == [
        {"Ref": role.of(stage.name)}
        for stage in run_by_rule(settings)
        for role in (StageOutput.EXECUTION_ROLE_ARN, StageOutput.TASK_ROLE_ARN)
    ]
    assert passed["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


def test_role_is_for_this_environments_rules_only(pipeline: Rendered) -> None:
    (trusted,) = pipeline.properties("EventBridgeRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "events.amazonaws.com"}
    rules = trusted["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    assert rules.endswith(":rule/fargate-batch-*-${EnvironmentSuffix}")
