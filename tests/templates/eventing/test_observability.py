from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.metrics import NAMESPACE, Metric

from fargate_batch.names import Output, StackPath, StageOutput
from fargate_batch.template.failures import failed_tasks, interrupted_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, RenderChanged, Rendered


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


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [("TaskFailureRule", failed_tasks), ("TaskInterruptionRule", interrupted_tasks)],
)
def test_rules_hear_of_this_clusters_tasks(
    observability: Rendered, rule: str, pattern: Callable[[Any], dict[str, Any]]
) -> None:
    properties = observability.properties(rule)
    assert properties["EventPattern"] == pattern({"Ref": Output.CLUSTER_ARN})
    assert properties["State"] == "ENABLED"


@pytest.mark.parametrize("rule", ["TaskFailureRule", "TaskInterruptionRule"])
def test_failed_and_interrupted_tasks_are_written_to_a_log_group_that_takes_them(
    observability: Rendered, rule: str
) -> None:
    (target,) = observability.properties(rule)["Targets"]
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
    assert writes["Condition"] == {"ArnEquals": {"aws:SourceArn": ["reference", "reference"]}}
    assert observability.template["Resources"][rule]["DependsOn"] == ["TaskFailureLogPolicy"]


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


def test_a_run_that_is_open_for_longer_than_expected_raises_an_alarm(
    observability: Rendered, settings: Settings
) -> None:
    overdue = alarm(observability, "overdue-runs")
    assert (overdue["Namespace"], overdue["MetricName"]) == (NAMESPACE, Metric.OVERDUE_RUNS)
    assert overdue["Dimensions"] == [{"Name": "Environment", "Value": {"Ref": "EnvironmentSuffix"}}]
    assert (overdue["Statistic"], overdue["Threshold"]) == ("Maximum", 0)
    # Reconcile writes the metric once in this time.
    assert overdue["Period"] == settings.reconcile.every_minutes * 60


def test_many_rejected_inputs_raise_an_alarm(observability: Rendered, settings: Settings) -> None:
    rejects = alarm(observability, "rejects")
    assert (rejects["MetricName"], rejects["Statistic"]) == ("RunsRejected", "Sum")
    assert rejects["ComparisonOperator"] == "GreaterThanThreshold"
    assert rejects["Threshold"] == settings.alarms.rejects
    assert rejects["Period"] == settings.alarms.reject_minutes * 60


def test_silence_of_reconcile_raises_an_alarm(observability: Rendered, settings: Settings) -> None:
    silent = alarm(observability, "reconcile")
    assert (silent["MetricName"], silent["Statistic"]) == ("OverdueRuns", "SampleCount")
    assert (silent["ComparisonOperator"], silent["Threshold"]) == ("LessThanThreshold", 1)
    # Its own times and the alarm's are not the same, so one empty period means nothing.
    assert silent["EvaluationPeriods"] > 1
    assert silent["Period"] == settings.reconcile.every_minutes * 60
    assert silent["TreatMissingData"] == "breaching"


def test_every_alarm_writes_to_the_topic_and_looks_back_a_day_at_most(
    observability: Rendered,
) -> None:
    for one in observability.of_type("AWS::CloudWatch::Alarm").values():
        assert one["AlarmActions"] == [{"Ref": Output.ALARM_TOPIC_ARN}]
        assert one["Period"] * one["EvaluationPeriods"] <= 86400
        # A single metric: metric math costs more and a label would turn an alarm into it.
        assert "Metrics" not in one


def test_every_other_alarm_stays_quiet_without_data(observability: Rendered) -> None:
    for name, one in observability.of_type("AWS::CloudWatch::Alarm").items():
        if not name.startswith("ReconcileAlarm"):
            assert one["TreatMissingData"] == "notBreaching"


def widgets(observability: Rendered) -> dict[str, Any]:
    (dashboard,) = observability.of_type("AWS::CloudWatch::Dashboard").values()
    body = json.loads(joined(dashboard["DashboardBody"]))
    return {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"]}


def test_dashboard_shows_every_stage(observability: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        titles = [title for title in widgets(observability) if title.startswith(f"{stage.name}: ")]
        assert len(titles) == 4


@pytest.mark.parametrize(
    "metrics",
    [
        {"RunsReported", "RunsRejected", "RunsDeadLettered"},
        {"RowsIn"},
        {"OverdueRuns", "OldestOpenRunSeconds"},
        {"CostUsd", "RunsReported"},
        {"ApproximateNumberOfMessagesVisible"},
        {"RunningTaskCount", "TaskCount"},
        {"TriggeredRules"},
    ],
    ids=lambda metrics: "-".join(sorted(metrics)),
)
def test_dashboard_shows(observability: Rendered, metrics: set[str]) -> None:
    shown = [
        {line[1] for line in widget["metrics"] if len(line) > 1}
        for widget in widgets(observability).values()
        if "metrics" in widget
    ]
    assert metrics in shown


def test_cost_of_a_run_is_the_tasks_cost_by_the_reports(observability: Rendered) -> None:
    (cost,) = [title for title in widgets(observability) if title.startswith("Cost")]
    expressions = [
        line[0]["expression"]
        for line in widgets(observability)[cost]["metrics"]
        if isinstance(line[0], dict)
    ]
    assert expressions == ["cost / runs"]


def test_without_container_insights_there_are_no_task_counts_to_show(
    render_changed: RenderChanged, environment: str
) -> None:
    changed = render_changed(
        environment,
        StackPath.OBSERVABILITY,
        lambda data: data.update(container_insights="disabled"),
    )
    assert "ECS/ContainerInsights" not in changed.body


def test_nothing_of_cdk_is_left_in_the_template(observability: Rendered) -> None:
    parameters = observability.template["Parameters"]
    assert not {"BootstrapVersion"} & set(parameters)
    assert "Rules" not in observability.template
    types = {one["Type"] for one in observability.template["Resources"].values()}
    assert "AWS::CDK::Metadata" not in types
