"""AWS::Events::Rule: targets in the spelling in which ListTargetsByRule returns them."""

from __future__ import annotations

from typing import Any, Final

from local.cloudformation.handlers import HANDLERS, Properties, rewrite

SYMBOLS: Final = (HANDLERS,)


def install() -> None:
    """Translate the targets before MiniStack stores them."""
    rewrite("AWS::Events::Rule", _with_api_targets)


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
