"""Metric alarms as CloudWatch evaluates them.

MiniStack's evaluation looks at all points of a metric, whatever their dimensions, as one period,
and knows no metric math. Here an alarm sees its own dimensions, period by period, with M out of N,
missing data and expressions.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from local import metric_data
from local.symbols import Symbol

_EVALUATE: Final = Symbol("services.cloudwatch", "_evaluate_alarm", ("alarm",))
_ALARMS: Final = Symbol("services.cloudwatch", "_alarms")
_PUT: Final = Symbol(
    "services.cloudwatch", "_put_metric_alarm", ("params", "cbor_data", "is_cbor", "is_json")
)
_REFUSE: Final = Symbol(
    "services.cloudwatch", "_error", ("code", "message", "status", "use_json", "use_cbor")
)
_HISTORY: Final = Symbol(
    "services.cloudwatch",
    "_record_history",
    ("alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"),
)
_ACT: Final = Symbol(
    "services.cloudwatch", "_dispatch_alarm_actions", ("alarm", "old_state", "new_state", "reason")
)
_PARENTS: Final = Symbol("services.cloudwatch", "_evaluate_parent_alarms", ("child", "seen"))

SYMBOLS: Final = (_EVALUATE, _ALARMS, _PUT, _REFUSE, _HISTORY, _ACT, _PARENTS)

_log = logging.getLogger("local.alarms")

_COMPARISONS: Final = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def install() -> None:
    """Replace the evaluation, and keep what alarms on expressions are made of."""
    _EVALUATE.set(evaluate)
    _PUT.wrap(_keeping_metrics)


def with_metrics(alarm: dict[str, Any], metrics: list[Any]) -> dict[str, Any]:
    """An alarm on `Metrics` instead of on one metric.

    Args:
        alarm: as MiniStack stores it; what speaks of one metric is taken out.
        metrics: MetricDataQueries, with numbers and booleans possibly as text.

    Raises:
        ValueError: CloudWatch would refuse them; the message says why.
    """
    queries = metric_data.normal(metrics)
    metric_data.check(queries)
    single = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Unit")
    kept = {name: value for name, value in alarm.items() if name not in (*single, "Period")}
    return {**kept, "Metrics": queries}


def _keeping_metrics(put: Any) -> Any:
    def put_metric_alarm(
        params: Any,
        cbor_data: dict[str, Any],
        is_cbor: bool,  # noqa: FBT001 - MiniStack's own signature
        is_json: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> Any:
        metrics = cbor_data.get("Metrics")
        if metrics:
            try:
                with_metrics({}, metrics)
            except ValueError as error:
                return _REFUSE.get()("ValidationError", str(error), 400, is_json, is_cbor)
        answer = put(params, cbor_data, is_cbor, is_json)
        if metrics and answer[0] < 400:
            alarms, name = _ALARMS.get(), cbor_data["AlarmName"]
            alarms[name] = with_metrics(alarms[name], metrics)
            evaluate(alarms[name])
        return answer

    return put_metric_alarm


def latest_value(alarm: dict[str, Any]) -> float | None:
    """The alarm's statistic over the most recent period that has data."""
    return next((value for value in _values(alarm, time.time()) if value is not None), None)


def evaluate(alarm: dict[str, Any]) -> None:
    """Bring an alarm's state up to date, and act when it changes."""
    compare = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
    if compare is None or not (alarm.get("MetricName") or alarm.get("Metrics")):
        return  # an anomaly alarm, which keeps its state
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
    """The value of each evaluated period, newest first; None without data."""
    queries = alarm.get("Metrics") or [
        {
            "Id": "m",
            "ReturnData": True,
            "MetricStat": {
                "Metric": alarm,
                "Period": int(alarm.get("Period") or 60),
                "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average",
            },
        }
    ]
    return metric_data.values(queries, int(alarm.get("EvaluationPeriods") or 1), now)


def _change(alarm: dict[str, Any], state: str, reason: str) -> None:
    previous = alarm["StateValue"]
    _log.info("Alarm %s: %s to %s: %s", alarm["AlarmName"], previous, state, reason)
    alarm["StateValue"] = state
    alarm["StateReason"] = reason
    alarm["StateUpdatedTimestamp"] = int(time.time())
    _HISTORY.get()(alarm["AlarmName"], previous, state, reason)
    _ACT.get()(alarm, previous, state, reason)
    _PARENTS.get()(alarm)
