"""Network resources that something still uses cannot be deleted: AWS says DependencyViolation."""

from __future__ import annotations

from typing import Any, Final

from local.cloudformation.handlers import HANDLERS, Properties, before_delete
from local.ecs.requests import SECURITY_GROUPS_FIELD
from local.symbols import Symbol

_TASKS: Final = Symbol("services.ecs", "_tasks")
_ENDPOINTS: Final = Symbol("services.ec2", "_vpc_endpoints")
_SUBNETS: Final = Symbol("services.ec2", "_subnets")
_GROUPS: Final = Symbol("services.ec2", "_security_groups")

SYMBOLS: Final = (HANDLERS, _TASKS, _ENDPOINTS, _SUBNETS, _GROUPS)


def install() -> None:
    """Refuse the deletes."""
    before_delete("AWS::EC2::Subnet", _check_subnet)
    before_delete("AWS::EC2::SecurityGroup", _check_security_group)
    before_delete("AWS::EC2::VPC", _check_vpc)


def _live_tasks() -> list[dict[str, Any]]:
    return [task for task in _TASKS.get().values() if task["lastStatus"] != "STOPPED"]


def _check_subnet(subnet_id: str, _properties: Properties) -> None:
    for task in _live_tasks():
        if task.get("_subnet") == subnet_id:
            raise _violation("subnet", subnet_id, task["taskArn"])
    for endpoint in _ENDPOINTS.get().values():
        if subnet_id in endpoint["SubnetIds"]:
            raise _violation("subnet", subnet_id, endpoint["VpcEndpointId"])


def _check_security_group(group_id: str, _properties: Properties) -> None:
    for task in _live_tasks():
        if group_id in task.get(SECURITY_GROUPS_FIELD, ()):
            raise _violation("security group", group_id, task["taskArn"])
    for endpoint in _ENDPOINTS.get().values():
        if group_id in endpoint.get("SecurityGroupIds", ()):
            raise _violation("security group", group_id, endpoint["VpcEndpointId"])
    for other in _GROUPS.get().values():
        permissions = [*other.get("IpPermissions", ()), *other.get("IpPermissionsEgress", ())]
        named = {
            pair.get("GroupId")
            for permission in permissions
            for pair in permission.get("UserIdGroupPairs", ())
        }
        if other["GroupId"] != group_id and group_id in named:
            raise _violation("security group", group_id, other["GroupId"])


def _check_vpc(vpc_id: str, _properties: Properties) -> None:
    for store, name in ((_SUBNETS, "SubnetId"), (_ENDPOINTS, "VpcEndpointId")):
        for record in store.get().values():
            if record.get("VpcId") == vpc_id:
                raise _violation("vpc", vpc_id, record[name])
    for group in _GROUPS.get().values():
        # The default group goes with its VPC.
        if group["VpcId"] == vpc_id and group["GroupName"] != "default":
            raise _violation("vpc", vpc_id, group["GroupId"])


def _violation(kind: str, resource_id: str, dependent: str) -> ValueError:
    return ValueError(
        f"The {kind} '{resource_id}' has dependencies and cannot be deleted: {dependent} "
        "(Service: Ec2, Status Code: 400, Error Code: DependencyViolation)"
    )
