"""Metric alarms as CloudWatch evaluates them.

MiniStack's evaluation looks at all points of a metric, whatever their dimensions, as one period.
Here an alarm sees its own dimensions, period by period, with M out of N and missing data.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any, Final

from local.symbols import Symbol

_EVALUATE: Final = Symbol("services.cloudwatch", "_evaluate_alarm", ("alarm",))
_METRICS: Final = Symbol("services.cloudwatch", "_metrics")
_STATISTICS: Final = Symbol("services.cloudwatch", "_calc_stats", ("points",))
_VALUE: Final = Symbol("services.cloudwatch", "_stat_value", ("stats", "stat_name", "points"))
_HISTORY: Final = Symbol(
    "services.cloudwatch",
    "_record_history",
    ("alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"),
)
_ACT: Final = Symbol(
    "services.cloudwatch", "_dispatch_alarm_actions", ("alarm", "old_state", "new_state", "reason")
)
_PARENTS: Final = Symbol("services.cloudwatch", "_evaluate_parent_alarms", ("child", "seen"))
_DIMENSIONS_KEY: Final = Symbol("services.cloudwatch", "_dims_key", ("dims",))

SYMBOLS: Final = (
    _EVALUATE,
    _METRICS,
    _STATISTICS,
    _VALUE,
    _HISTORY,
    _ACT,
    _PARENTS,
    _DIMENSIONS_KEY,
)

_log = logging.getLogger("local.alarms")

_COMPARISONS: Final = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def install() -> None:
    """Replace the evaluation."""
    _EVALUATE.set(evaluate)


def latest_value(alarm: dict[str, Any]) -> float | None:
    """The alarm's statistic over the most recent period that has data."""
    return next((value for value in _values(alarm, time.time()) if value is not None), None)


def evaluate(alarm: dict[str, Any]) -> None:
    """Bring an alarm's state up to date, and act when it changes."""
    compare = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
    if compare is None or not alarm.get("MetricName"):
        return  # an anomaly or metric-math alarm, which keeps its state
    values = _values(alarm, time.time())
    state = state_of(
        [None if value is None else compare(value, alarm["Threshold"]) for value in values],
        int(alarm.get("DatapointsToAlarm") or len(values)),
        alarm.get("TreatMissingData") or "missing",
        alarm["StateValue"],
    )
    if state == alarm["StateValue"]:
        return
    shown = ", ".join("-" if value is None else f"{value:g}" for value in values)
    reason = (
        f"Threshold Crossed: datapoints [{shown}] (newest first) against "
        f"{alarm['ComparisonOperator']} {alarm['Threshold']:g}"
    )
    _change(alarm, state, reason)


def state_of(breaching: list[bool | None], needed: int, missing: str, current: str) -> str:
    """The state that the periods call for.

    Args:
        breaching: for each period, newest first, whether it breaches; None without data.
        needed: how many breaching periods make the alarm.
        missing: how missing data count: missing, ignore, breaching or notBreaching.
        current: the state so far.
    """
    if missing in ("breaching", "notBreaching"):
        filled = [missing == "breaching" if one is None else one for one in breaching]
        return "ALARM" if sum(filled) >= needed else "OK"
    if all(one is None for one in breaching):
        return "INSUFFICIENT_DATA" if missing == "missing" else current
    if breaching.count(True) >= needed:
        return "ALARM"
    # With gaps it is enough that the oldest breach is as old as the alarm needs, and nothing since
    # was good. "Avoiding premature transitions to alarm state" in
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    oldest = max((age for age, one in enumerate(breaching) if one), default=-1)
    lasting = oldest >= needed - 1 and False not in breaching[:oldest]
    return "ALARM" if lasting else "OK"


def _values(alarm: dict[str, Any], now: float) -> list[float | None]:
    """The statistic of each evaluated period, newest first; None without data."""
    period = int(alarm.get("Period") or 60)
    count = int(alarm.get("EvaluationPeriods") or 1)
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or ()}
    key = (alarm["Namespace"], alarm["MetricName"], _DIMENSIONS_KEY.get()(dimensions))
    points = list(_METRICS.get().get(key) or ())
    # The period that now runs counts, so that an alarm does not wait for its end.
    end = math.ceil(now / period) * period
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    values: list[float | None] = []
    for number in range(count):
        last = end - number * period
        inside = [point for point in points if last - period <= point["Timestamp"] < last]
        values.append(
            _VALUE.get()(_STATISTICS.get()(inside), statistic, inside) if inside else None
        )
    return values


def _change(alarm: dict[str, Any], state: str, reason: str) -> None:
    previous = alarm["StateValue"]
    _log.info("Alarm %s: %s to %s: %s", alarm["AlarmName"], previous, state, reason)
    alarm["StateValue"] = state
    alarm["StateReason"] = reason
    alarm["StateUpdatedTimestamp"] = int(time.time())
    _HISTORY.get()(alarm["AlarmName"], previous, state, reason)
    _ACT.get()(alarm, previous, state, reason)
    _PARENTS.get()(alarm)
