from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local.alarms import state_of

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("breaching", "needed", "missing", "expected"),
    [
        ([True], 1, "missing", "ALARM"),
        ([False], 1, "missing", "OK"),
        ([None], 1, "missing", "INSUFFICIENT_DATA"),
        ([None], 1, "notBreaching", "OK"),
        ([None], 1, "breaching", "ALARM"),
        ([None], 1, "ignore", "CURRENT"),
        ([True, False, True], 2, "missing", "ALARM"),
        ([True, False, False], 2, "missing", "OK"),
        ([True, None, None], 3, "notBreaching", "OK"),
        ([True, None, None], 3, "missing", "OK"),
        ([True, None, True], 3, "missing", "ALARM"),
        ([None, False, True], 3, "missing", "OK"),
    ],
)
def test_state_of(breaching: list[bool | None], needed: int, missing: str, expected: str) -> None:
    assert state_of(breaching, needed, missing, "CURRENT") == expected


@given(
    st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
)
def test_an_alarm_needs_something_that_breaches(
    breaching: list[bool | None], needed: int, missing: str
) -> None:
    state = state_of(breaching, needed, missing, "OK")
    if state == "ALARM":
        assert True in breaching or missing == "breaching"


def test_an_alarm_sees_its_own_dimensions_only_and_tells_its_topic(
    clients: Any,
    queue: tuple[str, str],
    unique: str,
    messages: Callable[..., list[Any]],
    eventually: Callable[..., Any],
) -> None:
    url, arn = queue
    topic = clients.sns.create_topic(Name=unique)["TopicArn"]
    clients.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def put(name: str, *values: float) -> None:
        clients.cloudwatch.put_metric_data(
            Namespace="Tests",
            MetricData=[
                {
                    "MetricName": unique,
                    "Dimensions": [{"Name": "Which", "Value": name}],
                    "Value": value,
                }
                for value in values
            ],
        )

    def state() -> str:
        (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
        return str(alarm["StateValue"])

    clients.cloudwatch.put_metric_alarm(
        AlarmName=unique,
        Namespace="Tests",
        MetricName=unique,
        Dimensions=[{"Name": "Which", "Value": "mine"}],
        Statistic="Sum",
        Period=60,
        # A minute may end before somebody looks.
        EvaluationPeriods=3,
        DatapointsToAlarm=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )
    put("other", 100)
    assert eventually(lambda: state() == "OK")
    put("mine", 1, 1, 1, 1, 1, 1)
    assert eventually(lambda: state() == "ALARM")
    (message,) = messages(url)
    told = json.loads(json.loads(message["Body"])["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == (unique, "ALARM")


def backlog(queue: str) -> list[dict[str, Any]]:
    """Visible and hidden messages of a queue, added up."""
    return [
        {"Id": "all", "Expression": "FILL(visible, 0) + FILL(hidden, 0)", "Label": "Messages"},
        *(
            {
                "Id": id_,
                "ReturnData": False,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SQS",
                        "MetricName": f"ApproximateNumberOfMessages{name}",
                        "Dimensions": [{"Name": "QueueName", "Value": queue}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
            for id_, name in (("visible", "Visible"), ("hidden", "NotVisible"))
        ),
    ]


@pytest.fixture
def state(clients: Any, unique: str) -> Callable[[], str]:
    def value() -> str:
        (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
        return str(alarm["StateValue"])

    return value


def test_an_alarm_on_an_expression_counts_messages_in_flight_too(
    clients: Any,
    queue: tuple[str, str],
    unique: str,
    state: Callable[[], str],
    eventually: Callable[..., Any],
) -> None:
    clients.cloudwatch.put_metric_alarm(
        AlarmName=unique,
        Metrics=backlog(unique),
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="LessThanOrEqualToThreshold",
    )
    (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
    assert [one["Id"] for one in alarm["Metrics"]] == ["all", "visible", "hidden"]
    assert "MetricName" not in alarm
    assert eventually(lambda: state() == "ALARM")
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x")
    clients.sqs.receive_message(QueueUrl=queue[0], VisibilityTimeout=60)
    assert eventually(lambda: state() == "OK")


def test_a_sum_with_messages_in_flight_has_no_data_while_there_are_none(
    clients: Any, queue: tuple[str, str], unique: str, eventually: Callable[..., Any]
) -> None:
    # SQS reports them only while there are some, and so a sum has to fill in what is missing.
    # What is visible is there from the first look at the queue on.
    names = {f"{unique}-sum": "visible + hidden", unique: "visible"}
    for name, expression in names.items():
        metrics = backlog(unique)
        metrics[0]["Expression"] = expression
        clients.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Metrics=metrics,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="LessThanOrEqualToThreshold",
        )

    def states() -> list[str]:
        found = clients.cloudwatch.describe_alarms(AlarmNames=list(names))["MetricAlarms"]
        by_name = {alarm["AlarmName"]: str(alarm["StateValue"]) for alarm in found}
        return [by_name[name] for name in names]

    assert eventually(lambda: states() == ["INSUFFICIENT_DATA", "ALARM"]), states()
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x")
    clients.sqs.receive_message(QueueUrl=queue[0], VisibilityTimeout=60)
    assert eventually(lambda: states() == ["OK", "ALARM"]), states()


def test_an_alarm_on_a_wrong_expression_is_refused(clients: Any, unique: str) -> None:
    metrics = backlog(unique)
    metrics[0]["Expression"] = "visible + unknown"
    with pytest.raises(ClientError, match="'unknown' is not known"):
        clients.cloudwatch.put_metric_alarm(
            AlarmName=unique,
            Metrics=metrics,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )


def test_the_age_of_the_oldest_message_is_a_metric(
    clients: Any,
    queue: tuple[str, str],
    unique: str,
    state: Callable[[], str],
    eventually: Callable[..., Any],
) -> None:
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x")
    clients.cloudwatch.put_metric_alarm(
        AlarmName=unique,
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": unique}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=2,
        ComparisonOperator="GreaterThanThreshold",
    )
    assert eventually(lambda: state() == "ALARM")
