"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy."""

from __future__ import annotations

from typing import Final

from local.autoscaling import api
from local.cloudformation.handlers import HANDLERS, Created, Properties, ResourceType

SYMBOLS: Final = (HANDLERS,)


def install() -> None:
    """Register both types."""
    ResourceType(_create_target, _update_target, _delete_target).register(
        "AWS::ApplicationAutoScaling::ScalableTarget"
    )
    ResourceType(_create_policy, _update_policy, _delete_policy).register(
        "AWS::ApplicationAutoScaling::ScalingPolicy"
    )


def _create_target(properties: Properties) -> Created:
    request = {
        name: int(value) if name in ("MinCapacity", "MaxCapacity") else value
        for name, value in properties.items()
    }
    api.register_scalable_target(request)
    # Ref is this key, which AWS documents for the resource's return values.
    return api.key_of(properties), {}


def _update_target(physical_id: str, _old: Properties, new: Properties) -> Created:
    created = _create_target(new)
    if created[0] != physical_id:
        _delete_target(physical_id, _old)
    return created


def _delete_target(physical_id: str, _properties: Properties) -> None:
    if physical_id in api.targets:
        api.deregister_scalable_target(_named(physical_id))


def _named(physical_id: str) -> Properties:
    return dict(zip(api.TARGET_KEY, physical_id.split("|"), strict=True))


def _policy(properties: Properties) -> Properties:
    policy = dict(properties)
    if "ScalingTargetId" in policy:
        policy |= _named(policy.pop("ScalingTargetId"))
    return policy


def _create_policy(properties: Properties) -> Created:
    arn = api.put_scaling_policy(_policy(properties))["PolicyARN"]
    return arn, {"Arn": arn}


def _update_policy(physical_id: str, old: Properties, new: Properties) -> Created:
    created = _create_policy(new)
    if created[0] != physical_id:
        _delete_policy(physical_id, old)
    return created


def _delete_policy(physical_id: str, _properties: Properties) -> None:
    for policy in list(api.policies.values()):
        if policy["PolicyARN"] == physical_id:
            api.delete_scaling_policy(policy)
