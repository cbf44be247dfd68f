from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.variables import Variable

from fargate_batch.names import RECONCILE, Output, StackPath, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage
    from tests.templates.conftest import Render, RenderChanged, Rendered


@pytest.fixture
def pipeline(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.PIPELINE)


def target(pipeline: Rendered, stage: Stage, kind: str = "Rule") -> dict[str, Any]:
    (only,) = pipeline.properties(f"{stage.logical_id}{kind}")["Targets"]
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


def test_task_is_told_bucket_key_and_version(pipeline: Rendered, settings: Settings) -> None:
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
        strategy = {
            item["CapacityProvider"]: item["Weight"]
            for item in parameters["CapacityProviderStrategy"]
        }
        assert strategy == {
            "FARGATE": settings.capacity.fargate_weight,
            "FARGATE_SPOT": settings.capacity.fargate_spot_weight,
        }


def test_rules_know_no_base(pipeline: Rendered, settings: Settings) -> None:
    # Each request is for one task, so with a base all tasks would run on FARGATE.
    for stage in run_by_rule(settings):
        parameters = target(pipeline, stage)["EcsParameters"]
        assert not any(item.get("Base") for item in parameters["CapacityProviderStrategy"])


def test_failed_task_of_the_family_gives_its_work_to_the_queue(
    pipeline: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        rule = pipeline.properties(f"{stage.logical_id}RetryRule")
        assert rule["Name"] == {
            "Fn::Sub": f"fargate-batch-{stage.name}-retry-${{EnvironmentSuffix}}"
        }
        assert rule["State"] == "ENABLED"
        detail = rule["EventPattern"]["detail"]
        assert detail["clusterArn"] == [{"Ref": Output.CLUSTER_ARN}]
        family = StageOutput.TASK_FAMILY.of(stage.name)
        assert detail["group"] == [{"Fn::Sub": f"family:${{{family}}}"}]
        one = target(pipeline, stage, "RetryRule")
        assert one["Arn"] == {"Ref": StageOutput.QUEUE_ARN.of(stage.name)}
        assert one["DeadLetterConfig"]["Arn"] == {
            "Ref": StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name)
        }
        # The worker reads the object out of the event's overrides.
        assert not {"Input", "InputPath", "InputTransformer"} & set(one)


def test_reconcile_runs_as_often_as_the_settings_say_and_never_on_spot(
    pipeline: Rendered, settings: Settings
) -> None:
    rule = pipeline.properties("ReconcileRule")
    assert rule["ScheduleExpression"] == f"rate({settings.reconcile.every_minutes} minutes)"
    assert rule["State"] == "ENABLED"
    assert "EventPattern" not in rule
    (one,) = rule["Targets"]
    parameters = one["EcsParameters"]
    arn = parameters["TaskDefinitionArn"]["Fn::Sub"]
    assert arn.endswith(f":task-definition/${{{StageOutput.TASK_FAMILY.of(RECONCILE)}}}")
    assert parameters["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE", "Weight": 1}]
    # One that cannot be run is not worth running when the next one is due.
    assert one["RetryPolicy"]["MaximumEventAgeInSeconds"] <= settings.reconcile.every_minutes * 60


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


def run_by_role(settings: Settings) -> list[str]:
    return [*(stage.name for stage in run_by_rule(settings)), RECONCILE]


def test_role_runs_exactly_these_families_in_this_cluster(
    pipeline: Rendered, settings: Settings
) -> None:
    run = statement(pipeline, "ecs:RunTask")
    families = [resource["Fn::Sub"].split(":task-definition/")[1] for resource in run["Resource"]]
    assert families == [
        f"${{{StageOutput.TASK_FAMILY.of(task)}}}{revision}"
        for task in run_by_role(settings)
        for revision in ("", ":*")
    ]
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Ref": Output.CLUSTER_ARN}}}


def test_role_passes_exactly_these_roles_to_ecs(pipeline: Rendered, settings: Settings) -> None:
    passed = statement(pipeline, "iam:PassRole")
    assert passed["Resource"] == [
        {"Ref": role.of(task)}
        for task in run_by_role(settings)
        for role in (StageOutput.EXECUTION_ROLE_ARN, StageOutput.TASK_ROLE_ARN)
    ]
    assert passed["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


@pytest.mark.parametrize("dispatch", list(Dispatch))
@pytest.mark.parametrize("stage", ["data-ingestion", "risk-calculation"])
def test_switching_dispatch_changes_one_target_in_place(
    render_changed: RenderChanged, pipeline: Rendered, stage: str, dispatch: Dispatch
) -> None:
    def switch(data: dict[str, Any]) -> None:
        data["stage_settings"][stage]["dispatch"] = dispatch.value

    switched = render_changed(pipeline.environment, StackPath.PIPELINE, switch)
    before, after = pipeline.template["Resources"], switched.template["Resources"]
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert changed <= {"RiskCalculationRule", "EventBridgeRole"}
    # With the same id the new target takes the old one's place, and no event finds none.
    ids = {
        one["Id"]
        for rendered in (pipeline, switched)
        for rule in rendered.of_type("AWS::Events::Rule").values()
        for one in rule["Targets"]
    }
    assert len(ids) == 1
    assert pipeline.outputs == switched.outputs
    assert pipeline.template["Parameters"] == switched.template["Parameters"]


def test_role_is_for_this_environments_rules_only(pipeline: Rendered) -> None:
    (trusted,) = pipeline.properties("EventBridgeRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "events.amazonaws.com"}
    rules = trusted["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    assert rules.endswith(":rule/fargate-batch-*-${EnvironmentSuffix}")
