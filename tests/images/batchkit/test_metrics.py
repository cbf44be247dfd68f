from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from batchkit import logs
from batchkit.metrics import Metric, Metrics
from batchkit.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METRICS = Metrics("dev", "risk-calculation", price_per_hour=0.09, clock=lambda: 12.5)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is written to the log, each line as CloudWatch Logs reads it."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("risk-calculation", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_in_the_embedded_metric_format(lines: Any) -> None:
    METRICS.worked(20.0)
    (line,) = lines()
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 12_500
    assert directive["Namespace"] == "fargate-batch"
    assert directive["Metrics"] == [
        {"Name": "TaskSeconds", "Unit": "Seconds"},
        {"Name": "CostUsd", "Unit": "None"},
    ]
    # The format wants every dimension and every metric as a member beside `_aws`.
    assert directive["Dimensions"] == [["Environment"], ["Environment", "Stage"]]
    assert (line["Environment"], line["Stage"]) == ("dev", "risk-calculation")
    assert (line["TaskSeconds"], line["CostUsd"]) == (20.0, pytest.approx(0.0005))


@pytest.mark.parametrize(
    ("state", "values", "told"),
    [
        (RunState.REPORTED, {}, {Metric.RUNS_REPORTED: 1}),
        (RunState.REJECTED, {"reason": "x"}, {Metric.RUNS_REJECTED: 1}),
        (RunState.DEAD_LETTERED, {}, {Metric.RUNS_DEAD_LETTERED: 1}),
        (RunState.CALCULATING, {"rows_in": 4000}, {Metric.ROWS_IN: 4000}),
        (RunState.CALCULATING, {}, None),
        (RunState.REPORTING, {}, None),
    ],
)
def test_a_runs_moves_are_counted(
    lines: Any, state: RunState, values: dict[str, Any], told: dict[str, Any] | None
) -> None:
    METRICS.run_moved(state, values)
    found = [
        {one["Name"]: line[one["Name"]] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        for line in lines()
    ]
    assert found == ([told] if told else [])
