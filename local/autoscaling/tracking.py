"""The alarms that Application Auto Scaling makes for a target tracking policy."""

from __future__ import annotations

import time
from typing import Any, Final

from local import alarms
from local.responses import RefusedError
from local.symbols import Symbol

_PUT_ALARM: Final = Symbol("services.cloudwatch", "cloudformation_put_metric_alarm", ("alarm",))
_DELETE_ALARM: Final = Symbol(
    "services.cloudwatch", "cloudformation_delete_metric_alarm", ("name", "refuse_dependents")
)

SYMBOLS: Final = (_PUT_ALARM, _DELETE_ALARM)

Record = dict[str, Any]

# As AWS makes them: out after 3 minutes above the target, in after 15 minutes below 90% of it.
_HIGH_PERIODS: Final = 3
_LOW_PERIODS: Final = 15
_LOW_SHARE: Final = 0.9
_PREDEFINED: Final = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}


def alarms_for(policy: Record) -> list[Record]:
    """Put the policy's two alarms and return them as PutScalingPolicy does.

    Raises:
        RefusedError: the policy's metric is missing or no metric.
    """
    from ministack.core.responses import get_account_id, get_region

    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = _metric(policy, configuration)
    target = float(configuration["TargetValue"])
    made = []
    sides = [("AlarmHigh", "GreaterThanThreshold", target, _HIGH_PERIODS)]
    if not configuration.get("DisableScaleIn"):
        sides.append(("AlarmLow", "LessThanThreshold", target * _LOW_SHARE, _LOW_PERIODS))
    for side, comparison, threshold, periods in sides:
        name = f"TargetTracking-{policy['ResourceId']}-{side}-{policy['PolicyName']}"
        arn = f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"
        now = int(time.time())
        _PUT_ALARM.get()(
            {
                **metric,
                "AlarmName": name,
                "AlarmArn": arn,
                "AlarmDescription": "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
                f"{policy['PolicyARN']}.",
                "EvaluationPeriods": periods,
                "Threshold": threshold,
                "ComparisonOperator": comparison,
                "TreatMissingData": "missing",
                "StateValue": "INSUFFICIENT_DATA",
                "StateReason": "Unchecked: Initial alarm creation",
                "StateUpdatedTimestamp": now,
                "ActionsEnabled": True,
                "AlarmActions": [policy["PolicyARN"]],
                "OKActions": [],
                "InsufficientDataActions": [],
                "AlarmConfigurationUpdatedTimestamp": now,
            }
        )
        made.append({"AlarmName": name, "AlarmARN": arn})
    return made


def remove_alarms(policy: Record) -> None:
    """Delete what alarms_for put."""
    for alarm in policy.get("Alarms") or ():
        _DELETE_ALARM.get()(alarm["AlarmName"])


def _metric(policy: Record, configuration: Record) -> Record:
    """The part of an alarm that says what it is on."""
    predefined = configuration.get("PredefinedMetricSpecification")
    if predefined:
        _, cluster, service = policy["ResourceId"].split("/")
        return _single(
            "AWS/ECS",
            _PREDEFINED[predefined["PredefinedMetricType"]],
            "Average",
            [
                {"Name": "ClusterName", "Value": cluster},
                {"Name": "ServiceName", "Value": service},
            ],
        )
    customized = configuration.get("CustomizedMetricSpecification") or {}
    if customized.get("Metrics"):
        try:
            return alarms.with_metrics({}, customized["Metrics"])
        except ValueError as error:
            raise RefusedError("ValidationException", str(error)) from error
    if not customized.get("MetricName"):
        raise RefusedError(
            "ValidationException",
            "Either PredefinedMetricSpecification or CustomizedMetricSpecification is required.",
        )
    return _single(
        customized["Namespace"],
        customized["MetricName"],
        customized.get("Statistic", "Average"),
        customized.get("Dimensions") or [],
    )


def _single(namespace: str, name: str, statistic: str, dimensions: list[Record]) -> Record:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Statistic": statistic,
        "ExtendedStatistic": None,
        "Dimensions": dimensions,
        "Unit": None,
        "Period": 60,
    }
