"""AWS::EC2::FlowLog and the rules of a security group that are resources of their own."""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from local.cloudformation.handlers import HANDLERS, Created, Properties, ResourceType
from local.symbols import Symbol

_FLOW_LOGS: Final = Symbol("services.ec2", "_flow_logs")
_GROUPS: Final = Symbol("services.ec2", "_security_groups")
_TAGS: Final = Symbol("services.ec2", "_tags")
_PERMISSIONS: Final = Symbol(
    "services.cloudformation.provisioners", "_ec2_sg_permissions", ("rules",)
)

SYMBOLS: Final = (HANDLERS, _FLOW_LOGS, _GROUPS, _TAGS, _PERMISSIONS)


def install() -> None:
    """Register the three types."""
    ResourceType(_create_flow_log, _replace_flow_log, _delete_flow_log).register(
        "AWS::EC2::FlowLog"
    )
    for direction, store in (("Ingress", "IpPermissions"), ("Egress", "IpPermissionsEgress")):
        _rule_type(store).register(f"AWS::EC2::SecurityGroup{direction}")


def _create_flow_log(properties: Properties) -> Created:
    flow_log_id = f"fl-{secrets.token_hex(9)[:17]}"
    destination = properties.get("LogDestination") or properties.get("LogGroupName", "")
    _FLOW_LOGS.get()[flow_log_id] = {
        "FlowLogId": flow_log_id,
        "ResourceId": properties["ResourceId"],
        "ResourceType": properties["ResourceType"],
        "TrafficType": properties.get("TrafficType", "ALL"),
        "LogDestinationType": properties.get("LogDestinationType", "cloud-watch-logs"),
        "LogDestination": destination,
        "FlowLogStatus": "ACTIVE",
        "CreationTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }
    _TAGS.get()[flow_log_id] = list(properties.get("Tags") or [])
    return flow_log_id, {"Id": flow_log_id}


def _replace_flow_log(physical_id: str, old: Properties, new: Properties) -> Created:
    if {**old, "Tags": None} == {**new, "Tags": None}:
        _TAGS.get()[physical_id] = list(new.get("Tags") or [])
        return physical_id, {"Id": physical_id}
    created = _create_flow_log(new)
    _delete_flow_log(physical_id, old)
    return created


def _delete_flow_log(physical_id: str, _properties: Properties) -> None:
    _FLOW_LOGS.get().pop(physical_id, None)
    _TAGS.get().pop(physical_id, None)


def _rule_type(store: str) -> ResourceType:
    def rules(properties: Properties) -> list[dict[str, Any]]:
        group = _GROUPS.get().get(properties["GroupId"])
        if group is None:
            raise ValueError(f"The security group '{properties['GroupId']}' does not exist")
        found: list[dict[str, Any]] = group.setdefault(store, [])
        return found

    def permission(properties: Properties) -> dict[str, Any]:
        (made,) = _PERMISSIONS.get()([properties])
        result: dict[str, Any] = made
        return result

    def create(properties: Properties) -> Created:
        made, existing = permission(properties), rules(properties)
        if made in existing:
            raise ValueError("the specified rule already exists (InvalidPermission.Duplicate)")
        existing.append(made)
        rule_id = f"sgr-{secrets.token_hex(9)[:17]}"
        return rule_id, {"Id": rule_id}

    def delete(_physical_id: str, properties: Properties) -> None:
        # The group may be gone already, and its rules with it.
        if properties["GroupId"] in _GROUPS.get():
            made, existing = permission(properties), rules(properties)
            if made in existing:
                existing.remove(made)

    def update(physical_id: str, old: Properties, new: Properties) -> Created:
        delete(physical_id, old)
        return create(new)

    return ResourceType(create, update, delete)
