from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import Output, StackPath, StageOutput

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def observability(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.OBSERVABILITY)


def alarm(observability: Rendered, name: str) -> dict[str, Any]:
    alarms = observability.of_type("AWS::CloudWatch::Alarm").values()
    (found,) = [one for one in alarms if f"-{name}-$" in one["AlarmName"]["Fn::Sub"]]
    return found


def joined(value: dict[str, Any]) -> str:
    """A Fn::Join with every reference replaced by a word, so that what it makes can be read."""
    separator, parts = value["Fn::Join"]
    return str(separator.join(part if isinstance(part, str) else "reference" for part in parts))


def test_rule_matches_tasks_of_this_cluster_that_failed_or_never_started(
    observability: Rendered,
) -> None:
    assert observability.properties("TaskFailureRule")["EventPattern"] == {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [{"Ref": Output.CLUSTER_ARN}],
            "lastStatus": ["STOPPED"],
            "$or": [
                {"containers": {"exitCode": [{"anything-but": 0}]}},
                {"stopCode": ["TaskFailedToStart"]},
            ],
        },
    }


def test_failed_tasks_are_written_to_a_log_group_that_takes_them(observability: Rendered) -> None:
    (target,) = observability.properties("TaskFailureRule")["Targets"]
    group = observability.properties("TaskFailureLogGroup")
    # Not the attribute Arn: it ends in `:*`, and EventBridge would deliver to no such group.
    assert target["Arn"]["Fn::Sub"].endswith(":log-group:" + group["LogGroupName"]["Fn::Sub"])
    # EventBridge writes to groups below /aws/events only.
    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/events/")
    assert group["KmsKeyId"] == {"Ref": Output.KEY_ARN}
    policy = json.loads(joined(observability.properties("TaskFailureLogPolicy")["PolicyDocument"]))
    assert policy["Version"] == "2012-10-17"
    writes = policy["Statement"][1]
    assert writes["Action"] == ["logs:PutLogEvents"]
    assert writes["Condition"] == {"ArnEquals": {"aws:SourceArn": "reference"}}
    assert observability.template["Resources"]["TaskFailureRule"]["DependsOn"] == [
        "TaskFailureLogPolicy"
    ]


def test_more_than_five_failures_in_ten_minutes_raise_the_alarm(observability: Rendered) -> None:
    failures = alarm(observability, "task-failures")
    assert (failures["Namespace"], failures["Statistic"]) == ("AWS/Events", "Sum")
    assert failures["Dimensions"] == [{"Name": "RuleName", "Value": {"Ref": "TaskFailureRule"}}]
    assert (failures["ComparisonOperator"], failures["Threshold"]) == (
        "GreaterThanThreshold",
        5,
    )
    assert failures["Period"] * failures["EvaluationPeriods"] == 600


def test_a_dead_letter_raises_an_alarm(observability: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        dead = alarm(observability, f"{stage.name}-dead-letter")
        assert dead["Threshold"] == 0
        assert dead["Dimensions"] == [
            {
                "Name": "QueueName",
                "Value": {"Ref": StageOutput.DEAD_LETTER_QUEUE_NAME.of(stage.name)},
            }
        ]


def test_a_message_that_waits_too_long_raises_an_alarm(
    observability: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        age = alarm(observability, f"{stage.name}-queue-age")
        assert age["MetricName"] == "ApproximateAgeOfOldestMessage"
        assert age["Threshold"] == settings.alarms.queue_age_minutes * 60


def test_every_alarm_writes_to_the_topic_and_stays_quiet_without_data(
    observability: Rendered,
) -> None:
    for one in observability.of_type("AWS::CloudWatch::Alarm").values():
        assert one["AlarmActions"] == [{"Ref": Output.ALARM_TOPIC_ARN}]
        assert one["TreatMissingData"] == "notBreaching"
        # A single metric: metric math costs more and a label would turn an alarm into it.
        assert "Metrics" not in one


def test_dashboard_shows_every_stage_and_the_failures(
    observability: Rendered, settings: Settings
) -> None:
    (dashboard,) = observability.of_type("AWS::CloudWatch::Dashboard").values()
    body = json.loads(joined(dashboard["DashboardBody"]))
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert "Failed tasks" in titles
    for stage in settings.stages:
        assert sum(title.startswith(f"{stage.name}: ") for title in titles) == 4


def test_nothing_of_cdk_is_left_in_the_template(observability: Rendered) -> None:
    parameters = observability.template["Parameters"]
    assert not {"BootstrapVersion"} & set(parameters)
    assert "Rules" not in observability.template
    types = {one["Type"] for one in observability.template["Resources"].values()}
    assert "AWS::CDK::Metadata" not in types
