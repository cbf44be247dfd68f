from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import alarms
from local.autoscaling import api, scaler
from local.autoscaling.scaler import stepped_capacity, tracked_capacity
from local.responses import error, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

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


TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/c/s",
    "ScalableDimension": "ecs:service:DesiredCount",
}


class Scaled:
    """A service without a task, and an alarm that calls for one until the test ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[Any] = []
        service = {"status": "ACTIVE", "clusterArn": "c", "serviceName": "s", "desiredCount": 0}
        self._alarm: dict[str, Any] = {
            "AlarmName": "messages",
            "StateValue": "ALARM",
            "Threshold": 1,
        }
        for name, value in (
            ("_SERVICES", {"c/s": service}),
            ("_ALARMS", {"messages": self._alarm}),
            ("_UPDATE", lambda _request: self.answers.pop(0)),
        ):
            monkeypatch.setattr(scaler, name, SimpleNamespace(get=lambda value=value: value))
        monkeypatch.setattr(api, "_SERVICES", scaler._SERVICES)
        monkeypatch.setattr(alarms, "latest_value", lambda _alarm: 1.0)
        self.register()

    def register(self) -> None:
        api.register_scalable_target({**TARGET, "MinCapacity": 0, "MaxCapacity": 2})
        policy = api.put_scaling_policy(
            {
                **TARGET,
                "PolicyName": "backlog",
                "PolicyType": "StepScaling",
                "StepScalingPolicyConfiguration": {
                    "AdjustmentType": "ExactCapacity",
                    "Cooldown": 300,
                    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
                },
            }
        )
        self._alarm["AlarmActions"] = [policy["PolicyARN"]]

    def scale(self, *answers: Any) -> list[str]:
        """The status messages of all activities after scaling once, when ECS answers so."""
        self.answers = list(answers)
        scaler.scale()
        return [one["StatusMessage"] for one in api.activities.values()]


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scaled]:
    yield Scaled(monkeypatch)
    for store in (api.targets, api.policies, api.activities):
        store.clear()


DONE = "Successfully set desired count to 1."


def test_a_scaling_that_was_done_is_followed_by_the_cooldown(scaled: Scaled) -> None:
    assert scaled.scale(reply({})) == [DONE]
    assert scaled.scale() == [DONE]


def test_a_scaling_that_failed_says_so_and_is_followed_by_no_cooldown(scaled: Scaled) -> None:
    failed = scaled.scale(error("ServiceNotFoundException", "Service not found."))
    assert failed == [
        "Failed to set desired count to 1: ServiceNotFoundException: Service not found."
    ]
    assert scaled.scale(reply({})) == [*failed, DONE]


def test_a_target_that_is_made_anew_inherits_activities_but_no_cooldown(scaled: Scaled) -> None:
    scaled.scale(reply({}))
    api.deregister_scalable_target(TARGET)
    scaled.register()
    assert scaled.scale(reply({})) == [DONE, DONE]


def test_activities_are_forgotten_after_six_weeks(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled.scale(reply({}))
    later = time.time() + 43 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert scaled.scale(reply({})) == [DONE]
    assert [one["StartTime"] for one in api.activities.values()] == [later]
