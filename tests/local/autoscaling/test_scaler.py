from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.autoscaling.scaler import stepped_capacity, tracked_capacity

STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 4},
    {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1},
]


@pytest.mark.parametrize(("breach", "expected"), [(0, 3), (9.9, 3), (10, 6), (1000, 6), (-0.5, 1)])
def test_the_step_is_the_one_that_the_breach_falls_into(breach: float, expected: int) -> None:
    configuration = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}
    assert stepped_capacity(2, breach, configuration) == expected


@pytest.mark.parametrize(
    ("configuration", "current", "expected"),
    [
        ({"AdjustmentType": "ExactCapacity"}, 7, 2),
        ({"AdjustmentType": "PercentChangeInCapacity"}, 200, 204),
        ({"AdjustmentType": "PercentChangeInCapacity", "MinAdjustmentMagnitude": 3}, 10, 13),
    ],
)
def test_adjustments(configuration: dict[str, Any], current: int, expected: int) -> None:
    steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}]
    assert stepped_capacity(current, 1, {**configuration, "StepAdjustments": steps}) == expected


@given(st.integers(0, 1000), st.floats(0, 1000), st.floats(1, 100))
def test_tracking_moves_only_the_way_it_was_called(
    current: int, value: float, target: float
) -> None:
    assert tracked_capacity(current, value, target, scale_in=False) >= current
    assert tracked_capacity(current, value, target, scale_in=True) <= current


def test_tracking_brings_the_metric_to_its_target() -> None:
    assert tracked_capacity(4, 90, 70, scale_in=False) == 6
    assert tracked_capacity(4, 35, 70, scale_in=True) == 2
