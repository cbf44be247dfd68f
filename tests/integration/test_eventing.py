from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.metrics import NAMESPACE, Metric

from fargate_batch.names import RECONCILE, GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


def rule_and_target(
    launched: Environment, task: str, output: StageOutput = StageOutput.RULE_NAME
) -> tuple[dict[str, Any], dict[str, Any]]:
    events, name = launched.client("events"), launched.of(task, output)
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    return events.describe_rule(Name=name), target


def test_each_stage_hears_of_its_own_objects(launched: Environment) -> None:
    names = {
        "input": launched[Output.INPUT_BUCKET_NAME],
        "output": launched[Output.OUTPUT_BUCKET_NAME],
    }
    for stage in launched.settings.stages:
        rule, _ = rule_and_target(launched, stage.name)
        pattern = json.loads(rule["EventPattern"])
        assert rule["State"] == "ENABLED"
        assert pattern["detail-type"] == ["Object Created"]
        assert pattern["detail"]["bucket"]["name"] == [names[stage.source.bucket]]


def test_ingestion_is_run_with_bucket_key_and_version(launched: Environment) -> None:
    _, target = rule_and_target(launched, "data-ingestion")
    assert target["Arn"] == launched[Output.CLUSTER_ARN]
    assert set(target["InputTransformer"]["InputPathsMap"].values()) >= {
        "$.detail.bucket.name",
        "$.detail.object.key",
        "$.detail.object.version-id",
    }


def test_no_target_drops_what_it_cannot_deliver(launched: Environment) -> None:
    for stage in launched.settings.stages:
        _, target = rule_and_target(launched, stage.name)
        queues = {
            launched.of(stage.name, StageOutput.QUEUE_ARN),
            launched.of(stage.name, StageOutput.DEAD_LETTER_QUEUE_ARN),
        }
        assert target["DeadLetterConfig"]["Arn"] in queues
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


def test_queued_stages_get_their_events_through_their_queue(launched: Environment) -> None:
    for stage in launched.settings.stages:
        _, target = rule_and_target(launched, stage.name)
        queued = stage.dispatch is Dispatch.QUEUE and stage.source.bucket != "input"
        expected = (
            launched.of(stage.name, StageOutput.QUEUE_ARN)
            if queued
            else launched[Output.CLUSTER_ARN]
        )
        assert target["Arn"] == expected


def test_failed_tasks_come_to_their_stages_queue(launched: Environment) -> None:
    sqs = launched.client("sqs")
    for stage in launched.settings.stages:
        rule, target = rule_and_target(launched, stage.name, StageOutput.RETRY_RULE_NAME)
        assert rule["State"] == "ENABLED"
        detail = json.loads(rule["EventPattern"])["detail"]
        assert detail["group"] == [f"family:{launched.of(stage.name, StageOutput.TASK_FAMILY)}"]
        assert detail["clusterArn"] == [launched[Output.CLUSTER_ARN]]
        assert target["Arn"] == launched.of(stage.name, StageOutput.QUEUE_ARN)
        # The queue admits the rule, or the event would get lost on its last yards.
        policy = sqs.get_queue_attributes(
            QueueUrl=launched.of(stage.name, StageOutput.QUEUE_URL), AttributeNames=["Policy"]
        )["Attributes"]["Policy"]
        assert rule["Arn"] in policy


def test_reconcile_is_run_on_its_schedule(launched: Environment) -> None:
    rule, target = rule_and_target(launched, RECONCILE)
    assert rule["State"] == "ENABLED"
    minutes = launched.settings.reconcile.every_minutes
    assert rule["ScheduleExpression"] == f"rate({minutes} minutes)"
    assert target["Arn"] == launched[Output.CLUSTER_ARN]
    family = launched.of(RECONCILE, StageOutput.TASK_FAMILY)
    assert target["EcsParameters"]["TaskDefinitionArn"].endswith(f":task-definition/{family}")


def test_more_than_five_failed_tasks_in_ten_minutes_raise_the_alarm(launched: Environment) -> None:
    # By name: in an account with more alarms than a page holds it may stand on any page.
    name = GivenNames(launched.settings.project, launched.name).of("task-failures")
    (alarm,) = launched.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["Namespace"] == "AWS/Events"
    settings = launched.settings.alarms
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["Threshold"] == settings.task_failures == 5
    window = alarm["Period"] * alarm["EvaluationPeriods"]
    assert window == settings.task_failure_minutes * 60 == 600
    assert launched[Output.ALARM_TOPIC_ARN] in alarm["AlarmActions"]


def test_reconcile_ends_well_with_the_roles_that_it_has(launched: Environment) -> None:
    _, target = rule_and_target(launched, RECONCILE)
    parameters, ecs = target["EcsParameters"], launched.client("ecs")
    network = parameters["NetworkConfiguration"]["awsvpcConfiguration"]
    started = ecs.run_task(
        cluster=target["Arn"],
        taskDefinition=parameters["TaskDefinitionArn"].rsplit("/", 1)[1],
        capacityProviderStrategy=parameters["CapacityProviderStrategy"],
        networkConfiguration={
            "awsvpcConfiguration": {name[0].lower() + name[1:]: network[name] for name in network}
        },
    )
    assert started["failures"] == []
    arn = started["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(
        cluster=target["Arn"], tasks=[arn], WaiterConfig={"Delay": 2, "MaxAttempts": 150}
    )
    (task,) = ecs.describe_tasks(cluster=target["Arn"], tasks=[arn])["tasks"]
    assert task["containers"][0]["exitCode"] == 0, log_of(launched, arn)
    # From such a line CloudWatch makes the metric of which the alarms speak.
    assert Metric.OVERDUE_RUNS in log_of(launched, arn)


def log_of(launched: Environment, task: str) -> str:
    events = launched.client("logs").get_log_events(
        logGroupName=launched.of(RECONCILE, StageOutput.LOG_GROUP_NAME),
        logStreamName=f"task/{RECONCILE}/{task.rsplit('/', 1)[1]}",
    )["events"]
    return "\n".join(event["message"] for event in events)


@pytest.mark.parametrize("kind", ["overdue-runs", "rejects", "reconcile"])
def test_what_goes_wrong_with_runs_raises_an_alarm(launched: Environment, kind: str) -> None:
    name = GivenNames(launched.settings.project, launched.name).of(kind)
    (alarm,) = launched.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["Namespace"] == NAMESPACE
    assert alarm["Dimensions"] == [{"Name": "Environment", "Value": launched.name}]
    assert launched[Output.ALARM_TOPIC_ARN] in alarm["AlarmActions"]


@pytest.mark.parametrize("kind", ["dead-letter", "queue-age"])
def test_what_gets_stuck_in_a_queue_raises_an_alarm(launched: Environment, kind: str) -> None:
    names = GivenNames(launched.settings.project, launched.name)
    for stage in launched.settings.stages:
        (alarm,) = launched.client("cloudwatch").describe_alarms(
            AlarmNames=[names.of(f"{stage.name}-{kind}")]
        )["MetricAlarms"]
        assert launched[Output.ALARM_TOPIC_ARN] in alarm["AlarmActions"]
