"""AWS::CloudWatch::Alarm on `Metrics`: expressions, and metrics with a label as CDK has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from local import alarms
from local.symbols import Symbol

if TYPE_CHECKING:
    from local.cloudformation.handlers import Properties

_RECORD: Final = Symbol(
    "services.cloudformation.provisioners", "_cw_metric_alarm_record", ("name", "props")
)

SYMBOLS: Final = (_RECORD,)


def install() -> None:
    """Make the record of such an alarm, which MiniStack refuses."""
    _RECORD.wrap(_taking_metrics)


def _taking_metrics(record: Any) -> Any:
    def alarm_record(name: str, props: Properties) -> Properties:
        metrics = props.get("Metrics")
        if not metrics:
            made: Properties = record(name, props)
            return made
        if props.get("MetricName"):
            raise ValueError("An alarm is either on MetricName or on Metrics, not on both.")
        single = {**props, "Metrics": None, "MetricName": name, "Namespace": "Metrics"}
        return alarms.with_metrics(record(name, single), metrics)

    return alarm_record
