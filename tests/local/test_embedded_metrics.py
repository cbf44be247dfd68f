from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from local.embedded_metrics import Datum, data_of

if TYPE_CHECKING:
    from collections.abc import Callable


def document(**changes: Any) -> dict[str, Any]:
    return {
        "_aws": {
            "Timestamp": 1_700_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "app",
                    "Dimensions": [["Environment"], ["Environment", "Stage"]],
                    "Metrics": [{"Name": "Rows", "Unit": "Count"}],
                }
            ],
        },
        "Environment": "test",
        "Stage": "one",
        "Rows": 5,
        "run_id": "not a metric",
        **changes,
    }


def test_each_set_of_dimensions_gets_each_metric() -> None:
    assert list(data_of(json.dumps(document(Rows=[1, 2.5])))) == [
        Datum("app", "Rows", dimensions, 1_700_000_000.5, "Count", (1.0, 2.5))
        for dimensions in ({"Environment": "test"}, {"Environment": "test", "Stage": "one"})
    ]


@pytest.mark.parametrize("line", ["", "plain", '{"level": "INFO"}', 'about "_aws" itself', "[1]"])
def test_other_lines_carry_none(line: str) -> None:
    assert list(data_of(line)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Rows": "five"}, "no number"),
        ({"Rows": True}, "no number"),
        ({"Stage": 7}, "dimension Stage"),
        ({"Rows": list(range(101))}, "more than 100"),
        ({"_aws": {"CloudWatchMetrics": []}}, "Timestamp"),
    ],
)
def test_a_bad_document_says_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(data_of(json.dumps(document(**changes))))


def test_what_a_task_prints_raises_an_alarm(
    tasks: Any,
    define: Callable[..., str],
    clients: Any,
    unique: str,
    eventually: Callable[..., Any],
) -> None:
    line = document(Environment=unique)
    line["_aws"]["Timestamp"] = int(time.time() * 1000)
    clients.cloudwatch.put_metric_alarm(
        AlarmName=unique,
        Namespace="app",
        MetricName="Rows",
        Dimensions=[{"Name": "Environment", "Value": unique}],
        Statistic="Sum",
        Period=60,
        # A minute may end before the line is there.
        EvaluationPeriods=3,
        DatapointsToAlarm=1,
        Threshold=5,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    tasks.run(
        define(),
        overrides={
            "containerOverrides": [{"name": "stage", "command": ["print", json.dumps(line)]}]
        },
    )

    def state() -> str:
        (alarm,) = clients.cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
        return str(alarm["StateValue"])

    assert eventually(lambda: state() == "ALARM")
