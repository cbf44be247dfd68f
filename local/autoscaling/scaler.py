"""What the alarms of scaling policies do to the desired counts of services."""

from __future__ import annotations

import logging
import math
import time
from typing import Any, Final

from local import alarms
from local.autoscaling import api
from local.responses import RefusedError, payload_of
from local.symbols import Symbol

_ALARMS: Final = Symbol("services.cloudwatch", "_alarms")
_SERVICES: Final = Symbol("services.ecs", "_services")
_UPDATE: Final = Symbol("services.ecs", "_update_service", ("data",))

SYMBOLS: Final = (_ALARMS, _SERVICES, _UPDATE)

_log = logging.getLogger("local.autoscaling")

_ACTIONS_IN_STATE: Final = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_DEFAULT_COOLDOWN_SECONDS: Final = 300

Record = dict[str, Any]


def scale() -> None:
    """Let every policy speak whose alarm is in the state that calls it; act on each target once.

    The largest scale-out wins. Scaling in needs every target tracking policy of the target.
    """
    for key, target in list(api.targets.items()):
        if target["ServiceNamespace"] != "ecs":
            continue
        service_key = target["ResourceId"].partition("/")[2]
        service = _SERVICES.get().get(service_key)
        if service is None or service["status"] != "ACTIVE":
            continue
        _scale_target(key, target, service)


def _scale_target(key: str, target: Record, service: Record) -> None:
    current = int(service["desiredCount"])
    proposals = []
    policies = [policy for name, policy in api.policies.items() if name.startswith(f"{key}|")]
    for policy in policies:
        for alarm in list(_ALARMS.get().values()):
            wanted = _wanted(policy, alarm, current)
            if wanted is None:
                continue
            capacity = max(target["MinCapacity"], min(target["MaxCapacity"], wanted))
            if capacity != current and not _cools_down(policy, target, outwards=capacity > current):
                proposals.append((capacity, policy, alarm))
    outwards = [one for one in proposals if one[0] > current]
    inwards = [one for one in proposals if one[0] < current]
    if outwards and not target["SuspendedState"]["DynamicScalingOutSuspended"]:
        _apply(target, service, max(outwards, key=lambda one: one[0]))
    elif (
        inwards
        and not target["SuspendedState"]["DynamicScalingInSuspended"]
        and _all_agree(policies, inwards)
    ):
        _apply(target, service, max(inwards, key=lambda one: one[0]))


def _all_agree(policies: list[Record], inwards: list[tuple[int, Record, Record]]) -> bool:
    tracking = {
        policy["PolicyARN"]
        for policy in policies
        if policy["PolicyType"] == "TargetTrackingScaling"
    }
    agreeing = {policy["PolicyARN"] for _, policy, _ in inwards}
    stepping = agreeing - tracking
    return bool(stepping) or tracking <= agreeing


def _wanted(policy: Record, alarm: Record, current: int) -> int | None:
    """The capacity that a policy wants because of an alarm; None when that does not call it."""
    actions = alarm.get(_ACTIONS_IN_STATE[alarm["StateValue"]]) or ()
    if policy["PolicyARN"] not in actions or not alarm.get("ActionsEnabled", True):
        return None
    value = alarms.latest_value(alarm)
    if value is None:
        return None
    if policy["PolicyType"] == "TargetTrackingScaling":
        tracking = policy["TargetTrackingScalingPolicyConfiguration"]
        return tracked_capacity(
            current,
            value,
            float(tracking["TargetValue"]),
            scale_in=alarm["AlarmName"].startswith("TargetTracking-")
            and "-AlarmLow-" in alarm["AlarmName"],
        )
    return stepped_capacity(
        current, value - float(alarm["Threshold"]), policy["StepScalingPolicyConfiguration"]
    )


def tracked_capacity(current: int, value: float, target: float, *, scale_in: bool) -> int:
    """The capacity at which the metric would be at its target.

    Args:
        current: tasks now.
        value: the metric now, an average over the tasks.
        target: where it should be.
        scale_in: whether the policy was called to remove tasks rather than to add them.
    """
    wanted = math.ceil(current * value / target)
    return min(wanted, current) if scale_in else max(wanted, current)


def stepped_capacity(current: int, breach: float, configuration: Record) -> int | None:
    """The capacity after the step that a breach falls into; None when it falls into none.

    Args:
        current: tasks now.
        breach: how far the metric is from the alarm's threshold; below it is negative.
        configuration: StepScalingPolicyConfiguration.
    """
    for step in configuration.get("StepAdjustments") or ():
        lower = float(step.get("MetricIntervalLowerBound", -math.inf))
        upper = float(step.get("MetricIntervalUpperBound", math.inf))
        # The bound on the side of zero belongs to the step, on AWS as here.
        inside = lower <= breach < upper if breach >= 0 else lower < breach <= upper
        if inside:
            return _adjusted(current, int(step["ScalingAdjustment"]), configuration)
    return None


def _adjusted(current: int, adjustment: int, configuration: Record) -> int:
    kind = configuration.get("AdjustmentType")
    if kind == "ExactCapacity":
        return adjustment
    if kind == "PercentChangeInCapacity":
        change = current * adjustment / 100
        size = max(math.floor(abs(change)), int(configuration.get("MinAdjustmentMagnitude", 1)))
        return current + (size if change >= 0 else -size)
    return current + adjustment


def _cools_down(policy: Record, target: Record, *, outwards: bool) -> bool:
    if policy["PolicyType"] == "TargetTrackingScaling":
        tracking = policy["TargetTrackingScalingPolicyConfiguration"]
        name = "ScaleOutCooldown" if outwards else "ScaleInCooldown"
        seconds = tracking.get(name, _DEFAULT_COOLDOWN_SECONDS)
    else:
        seconds = policy["StepScalingPolicyConfiguration"].get(
            "Cooldown", _DEFAULT_COOLDOWN_SECONDS
        )
    since = time.time() - int(seconds)
    # Neither what failed counts nor what happened to an earlier target of the same service, which
    # had another ARN; activities that an earlier version saved name none.
    return any(
        activity["StatusCode"] == "Successful"
        and activity["StartTime"] > since
        and activity["_outwards"] == outwards
        for activity in api.activities.values()
        if activity.get("_target") == target["ScalableTargetARN"]
    )


def _apply(target: Record, service: Record, proposal: tuple[int, Record, Record]) -> None:
    from ministack.core.responses import new_uuid

    capacity, policy, alarm = proposal
    started, current = time.time(), int(service["desiredCount"])
    try:
        payload_of(
            _UPDATE.get()(
                {
                    "cluster": service["clusterArn"],
                    "service": service["serviceName"],
                    "desiredCount": capacity,
                }
            )
        )
    except RefusedError as error:
        status = "Failed"
        message = f"Failed to set desired count to {capacity}: {error.code}: {error.message}"
    else:
        status, message = "Successful", f"Successfully set desired count to {capacity}."
    _log.info(
        "%s with %d tasks: %s (%s, alarm %s)",
        target["ResourceId"],
        current,
        message,
        policy["PolicyName"],
        alarm["AlarmName"],
    )
    api.keep_activity(
        {
            **{name: target[name] for name in api.TARGET_KEY},
            "ActivityId": new_uuid(),
            "Description": f"Setting desired count to {capacity}.",
            "Cause": (
                f"monitor alarm {alarm['AlarmName']} in state {alarm['StateValue']} triggered "
                f"policy {policy['PolicyName']}"
            ),
            "StartTime": started,
            "EndTime": time.time(),
            "StatusCode": status,
            "StatusMessage": message,
            "_outwards": capacity > current,
            "_target": target["ScalableTargetARN"],
        }
    )
