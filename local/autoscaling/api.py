"""The application-autoscaling API: scalable targets, policies and activities."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, new_uuid

from local.autoscaling import tracking
from local.responses import RefusedError, Response, error, reply
from local.symbols import Symbol

_PATTERNS: Final = Symbol("core.router", "SERVICE_PATTERNS")
_HANDLERS: Final = Symbol("app", "SERVICE_HANDLERS")
_SERVICES: Final = Symbol("services.ecs", "_services")

if TYPE_CHECKING:
    from collections.abc import Callable

SYMBOLS: Final = (_PATTERNS, _HANDLERS, _SERVICES)

Record = dict[str, Any]

targets: Any = AccountRegionScopedDict()
"""Scalable targets by `<resource>|<dimension>|<namespace>`."""
policies: Any = AccountRegionScopedDict()
"""Scaling policies by `<target>|<policy name>`."""
activities: Any = AccountRegionScopedDict()
"""Scaling activities by id, in the order in which they started."""

TARGET_KEY: Final = ("ResourceId", "ScalableDimension", "ServiceNamespace")
"""What tells targets apart, in the order of their keys."""

_KEPT_SECONDS: Final = 6 * 7 * 24 * 3600
_NOT_SUSPENDED: Final = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def install() -> None:
    """Serve the API on MiniStack's port."""
    _PATTERNS.get()["application-autoscaling"] = {
        "target_prefixes": ["AnyScaleFrontendService"],
        "credential_scope": "application-autoscaling",
    }
    _HANDLERS.get()["application-autoscaling"] = _handle


def key_of(record: Record) -> str:
    """The key of the target that a request, a record or a resource's properties speak of."""
    return "|".join(record[name] for name in TARGET_KEY)


def register_scalable_target(request: Record) -> Record:
    """RegisterScalableTarget.

    Raises:
        RefusedError: the capacities are missing or crossed, or there is no such service.
    """
    key = key_of(request)
    target = dict(targets.get(key) or _new_target(request))
    for name in ("MinCapacity", "MaxCapacity", "SuspendedState"):
        if name in request:
            target[name] = request[name]
    if "MinCapacity" not in target or "MaxCapacity" not in target:
        raise RefusedError(
            "ValidationException",
            "MinCapacity and MaxCapacity are required when registering a new scalable target.",
        )
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise RefusedError(
            "ValidationException", "Minimum capacity cannot be greater than maximum capacity"
        )
    targets[key] = target
    return {"ScalableTargetARN": target["ScalableTargetARN"]}


def _new_target(request: Record) -> Record:
    namespace, resource = request["ServiceNamespace"], request["ResourceId"]
    if namespace == "ecs":
        _require_service(resource)
    account, region = get_account_id(), get_region()
    return {
        **{name: request[name] for name in TARGET_KEY},
        "CreationTime": int(time.time()),
        "ScalableTargetARN": (
            f"arn:aws:application-autoscaling:{region}:{account}:scalable-target/"
            f"{new_uuid().replace('-', '')}"
        ),
        "RoleARN": (
            f"arn:aws:iam::{account}:role/aws-service-role/ecs.application-autoscaling."
            "amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"
        ),
        "SuspendedState": dict(_NOT_SUSPENDED),
    }


def _require_service(resource: str) -> None:
    kind, _, service_key = resource.partition("/")
    service = _SERVICES.get().get(service_key)
    if kind != "service" or service is None or service["status"] != "ACTIVE":
        raise RefusedError(
            "ValidationException",
            f"ECS service doesn't exist: {resource}",
        )


def deregister_scalable_target(request: Record) -> Record:
    """DeregisterScalableTarget, which takes the target's policies along.

    Raises:
        RefusedError: there is no such target.
    """
    key = key_of(request)
    if targets.pop(key, None) is None:
        raise _no_target(request)
    for name in [name for name in policies if name.startswith(f"{key}|")]:
        tracking.remove_alarms(policies.pop(name))
    return {}


def keep_activity(activity: Record) -> None:
    """Keep a scaling activity for six weeks, as AWS does, also when its target is gone."""
    oldest = time.time() - _KEPT_SECONDS
    for known in [known for known in activities.values() if known["StartTime"] < oldest]:
        del activities[known["ActivityId"]]
    activities[activity["ActivityId"]] = activity


def put_scaling_policy(request: Record) -> Record:
    """PutScalingPolicy.

    Raises:
        RefusedError: there is no such target, or the policy's configuration is missing.
    """
    key = key_of(request)
    if key not in targets:
        raise _no_target(request)
    name = f"{key}|{request['PolicyName']}"
    existing = policies.get(name) or {}
    kind = request.get("PolicyType") or existing.get("PolicyType") or "StepScaling"
    configuration = {
        "StepScaling": "StepScalingPolicyConfiguration",
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    }.get(kind)
    if configuration is None or not (request.get(configuration) or existing.get(configuration)):
        raise RefusedError(
            "ValidationException", f"{configuration or 'PolicyType'} is required for {kind}"
        )
    namespace, resource = request["ServiceNamespace"], request["ResourceId"]
    arn = existing.get("PolicyARN") or (
        f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{new_uuid()}:"
        f"resource/{namespace}/{resource}:policyName/{request['PolicyName']}"
    )
    policy = {
        **existing,
        **request,
        "PolicyType": kind,
        "PolicyARN": arn,
        "CreationTime": existing.get("CreationTime", int(time.time())),
        "Alarms": [],
    }
    if kind == "TargetTrackingScaling":
        tracking.remove_alarms(existing)
        policy["Alarms"] = tracking.alarms_for(policy)
    policies[name] = policy
    return {"PolicyARN": arn, "Alarms": policy["Alarms"]}


def delete_scaling_policy(request: Record) -> Record:
    """DeleteScalingPolicy.

    Raises:
        RefusedError: there is no such policy.
    """
    policy = policies.pop(f"{key_of(request)}|{request['PolicyName']}", None)
    if policy is None:
        raise RefusedError(
            "ObjectNotFoundException",
            f"No scaling policy found for service namespace: {request['ServiceNamespace']}, "
            f"resource ID: {request['ResourceId']}, policy name: {request['PolicyName']}",
        )
    tracking.remove_alarms(policy)
    return {}


def _no_target(request: Record) -> RefusedError:
    return RefusedError(
        "ObjectNotFoundException",
        f"No scalable target found for service namespace: {request['ServiceNamespace']}, "
        f"resource ID: {request['ResourceId']}, "
        f"scalable dimension: {request['ScalableDimension']}",
    )


def _selected(records: Any, request: Record) -> list[Record]:
    return [
        record
        for record in records.values()
        if record["ServiceNamespace"] == request["ServiceNamespace"]
        and request.get("ResourceId", record["ResourceId"]) == record["ResourceId"]
        and record["ResourceId"] in (request.get("ResourceIds") or [record["ResourceId"]])
        and request.get("ScalableDimension", record["ScalableDimension"])
        == record["ScalableDimension"]
        and record.get("PolicyName") in (request.get("PolicyNames") or [record.get("PolicyName")])
    ]


def _describe_activities(request: Record) -> Record:
    found = [
        {name: value for name, value in activity.items() if not name.startswith("_")}
        for activity in _selected(activities, request)
    ]
    return {"ScalingActivities": list(reversed(found))}


_ACTIONS: Final[dict[str, Callable[[Record], Record]]] = {
    "RegisterScalableTarget": register_scalable_target,
    "DeregisterScalableTarget": deregister_scalable_target,
    "PutScalingPolicy": put_scaling_policy,
    "DeleteScalingPolicy": delete_scaling_policy,
    "DescribeScalableTargets": lambda request: {"ScalableTargets": _selected(targets, request)},
    "DescribeScalingPolicies": lambda request: {"ScalingPolicies": _selected(policies, request)},
    "DescribeScalingActivities": _describe_activities,
    "DescribeScheduledActions": lambda _request: {"ScheduledActions": []},
    "ListTagsForResource": lambda _request: {"Tags": {}},
}


async def _handle(
    _method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
) -> Response:
    name = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    action = _ACTIONS.get(name)
    if action is None:
        return error("UnknownOperationException", f"The local AWS has no {name}.")
    try:
        return reply(action(json.loads(body or b"{}")))
    except RefusedError as refused:
        return refused.response()
