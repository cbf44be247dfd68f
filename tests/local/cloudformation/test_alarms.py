from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.cloudformation.conftest import failure

if TYPE_CHECKING:
    from collections.abc import Callable


def alarm(unique: str, metrics: list[Any], **properties: Any) -> dict[str, Any]:
    return {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": unique,
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": "2",
                "Threshold": "5",
                "Metrics": metrics,
                **properties,
            },
        }
    }


def metric(id_: str, **rest: Any) -> dict[str, Any]:
    stat = {
        "Metric": {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        },
        "Period": 60,
        "Stat": "Maximum",
    }
    return {"Id": id_, "MetricStat": stat, **rest}


def test_an_alarm_may_be_on_a_metric_with_a_label_or_on_an_expression(
    clients: Any, unique: str, stack: Callable[..., Any]
) -> None:
    def described() -> Any:
        return clients.cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"][0]

    stack(alarm(unique, [metric("m1", Label="Waiting", ReturnData=True)]))
    assert described()["Metrics"][0]["Label"] == "Waiting"
    assert described()["Metrics"][0]["MetricStat"]["Period"] == 60
    expression = {"Id": "e1", "Expression": "FILL(m1, 0) * 2", "Label": "Twice"}
    done = stack(alarm(unique, [expression, metric("m1", ReturnData="false")], Threshold=7))
    assert done["StackStatus"] == "UPDATE_COMPLETE"
    assert [one["ReturnData"] for one in described()["Metrics"]] == [True, False]
    assert described()["Threshold"] == 7


def test_a_wrong_expression_fails_the_stack(
    clients: Any, unique: str, stack: Callable[..., Any]
) -> None:
    done = stack(alarm(unique, [{"Id": "e1", "Expression": "MEDIAN(m1)"}]))
    assert done["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "'MEDIAN' is not known here" in failure(clients, unique)
