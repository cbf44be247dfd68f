"""ECS resources: capacity provider associations, and the properties that MiniStack drops."""

from __future__ import annotations

import time
from typing import Any, Final

from local.casing import camel_case
from local.cloudformation.handlers import (
    HANDLERS,
    Created,
    Properties,
    ResourceType,
    after_write,
    before_write,
    rewrite,
)
from local.ecs import validation
from local.ecs.scheduler import is_old, primary_of, tasks_of
from local.ecs.slots import WAITS
from local.responses import payload_of
from local.symbols import Symbol

_PUT_PROVIDERS: Final = Symbol("services.ecs", "_put_cluster_capacity_providers", ("data",))
_TASK_DEFINITIONS: Final = Symbol("services.ecs", "_task_defs")
_SERVICES: Final = Symbol("services.ecs", "_services")
_DELETE_CLUSTER: Final = Symbol("services.ecs", "_delete_cluster", ("data",))
_CONTAINER_DEFINITIONS: Final = Symbol(
    "services.cloudformation.provisioners", "_normalize_container_defs", ("cdefs",)
)

SYMBOLS: Final = (
    HANDLERS,
    _PUT_PROVIDERS,
    _TASK_DEFINITIONS,
    _SERVICES,
    _DELETE_CLUSTER,
    _CONTAINER_DEFINITIONS,
)

_TASK_DEFINITION: Final = "AWS::ECS::TaskDefinition"
_SERVICE: Final = "AWS::ECS::Service"
_DRAIN_SECONDS: Final = 180
"""stopTimeout is at most 120 s, so a service's tasks are gone by then."""
_STEADY_SECONDS: Final = 3 * 3600
"""For so long CloudFormation waits for a service. A task that protects itself may take its time."""


def install() -> None:
    """Register the association type and complete the others."""
    ResourceType(_associate, lambda _id, _old, new: _associate(new), _dissociate).register(
        "AWS::ECS::ClusterCapacityProviderAssociations"
    )
    _CONTAINER_DEFINITIONS.set(camel_case)
    before_write(_TASK_DEFINITION, lambda p: validation.check_task_definition(camel_case(p)))
    after_write(_TASK_DEFINITION, _complete_task_definition)
    rewrite(_SERVICE, _with_cluster_name)
    before_write(_SERVICE, lambda p: validation.check_service(camel_case(p)))
    after_write(_SERVICE, _complete_service)
    handlers = HANDLERS.get()
    delete_service = handlers[_SERVICE]["delete"]

    def delete_and_drain(physical_id: str, properties: Properties) -> None:
        delete_service(physical_id, properties)
        _wait_for_tasks(physical_id)

    handlers[_SERVICE]["delete"] = delete_and_drain
    handlers["AWS::ECS::Cluster"]["delete"] = _delete_cluster


def _associate(properties: Properties) -> Created:
    payload_of(
        _PUT_PROVIDERS.get()(
            {
                "cluster": properties["Cluster"],
                "capacityProviders": properties["CapacityProviders"],
                "defaultCapacityProviderStrategy": camel_case(
                    properties["DefaultCapacityProviderStrategy"]
                ),
            }
        )
    )
    return properties["Cluster"], {}


def _dissociate(physical_id: str, _properties: Properties) -> None:
    # The cluster may be gone already, and its associations with it.
    _PUT_PROVIDERS.get()(
        {"cluster": physical_id, "capacityProviders": [], "defaultCapacityProviderStrategy": []}
    )


def _complete_task_definition(physical_id: str, properties: Properties) -> None:
    definition = _TASK_DEFINITIONS.get()[physical_id.rsplit("/", 1)[1]]
    for name in ("RuntimePlatform", "EphemeralStorage", "Volumes", "PlacementConstraints"):
        if name in properties:
            definition[name[0].lower() + name[1:]] = camel_case(properties[name])


def _with_cluster_name(properties: Properties) -> Properties:
    """MiniStack makes an ARN of what names the cluster, so it must be a name and not an ARN."""
    cluster = str(properties.get("Cluster", "default"))
    return {**properties, "Cluster": cluster.rsplit("/", 1)[-1]}


def _complete_service(physical_id: str, properties: Properties) -> None:
    service = _SERVICES.get()["/".join(physical_id.rsplit("/", 2)[1:])]
    for name in (
        "PlatformVersion",
        "HealthCheckGracePeriodSeconds",
        "AvailabilityZoneRebalancing",
        "PropagateTags",
        "EnableECSManagedTags",
        "EnableExecuteCommand",
    ):
        if name in properties:
            service[name[0].lower() + name[1:]] = properties[name]
    _wait_until_steady(physical_id)


def _wait_until_steady(service_arn: str) -> None:
    """CloudFormation waits until a service runs what it shall, and nothing else.

    Else a launch would return while workers of the last release still take messages.
    """
    key = "/".join(service_arn.rsplit("/", 2)[1:])
    deadline = time.monotonic() + _STEADY_SECONDS
    while not _is_steady(_SERVICES.get()[key], tasks_of(service_arn)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Service {key} is not steady after {_STEADY_SECONDS} s")
        time.sleep(0.1)


def _is_steady(service: dict[str, Any], tasks: list[dict[str, Any]]) -> bool:
    if any(is_old(task, service) for task in tasks):
        return False
    # What waits for one of this machine's slots may do so for long, and would not on AWS.
    under_way = primary_of(service).get("rolloutState") == "IN_PROGRESS"
    return not under_way or any(WAITS in task for task in tasks)


def _wait_for_tasks(service_arn: str) -> None:
    """CloudFormation waits for a deleted service to drain."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while tasks_of(service_arn):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{service_arn} still has tasks after {_DRAIN_SECONDS} s")
        time.sleep(0.1)


def _delete_cluster(physical_id: str, _properties: Properties) -> None:
    payload_of(_DELETE_CLUSTER.get()({"cluster": physical_id}))
