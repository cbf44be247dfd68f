"""AWS::Events::Rule: valid schedules, and targets in the spelling of ListTargetsByRule."""

from __future__ import annotations

from typing import Any, Final

from local.cloudformation.handlers import HANDLERS, Properties, before_write, rewrite
from local.events import schedules

SYMBOLS: Final = (HANDLERS,)

_RULE: Final = "AWS::Events::Rule"


def install() -> None:
    """Check the schedule and translate the targets before MiniStack stores them."""
    rewrite(_RULE, _with_api_targets)
    before_write(_RULE, _check)


def _check(properties: Properties) -> None:
    schedule = properties.get("ScheduleExpression")
    if schedule:
        schedules.check(schedule)
    elif not properties.get("EventPattern"):
        raise ValueError("Parameter(s) EventPattern or ScheduleExpression must be specified.")


def _with_api_targets(properties: Properties) -> Properties:
    targets = [_api_target(target) for target in properties.get("Targets") or ()]
    return {**properties, "Targets": targets} if targets else properties


def _api_target(target: dict[str, Any]) -> dict[str, Any]:
    parameters = target.get("EcsParameters")
    if not parameters:
        return target
    made = dict(parameters)
    # The two places where the API's spelling is not CloudFormation's.
    network = made.get("NetworkConfiguration") or {}
    if "AwsVpcConfiguration" in network:
        made["NetworkConfiguration"] = {"awsvpcConfiguration": network["AwsVpcConfiguration"]}
    if "CapacityProviderStrategy" in made:
        made["CapacityProviderStrategy"] = [
            {key[0].lower() + key[1:]: value for key, value in item.items()}
            for item in made["CapacityProviderStrategy"]
        ]
    if "TagList" in made:
        made["Tags"] = made.pop("TagList")
    return {**target, "EcsParameters": made}
