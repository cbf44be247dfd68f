"""The ECS calls that need more than MiniStack does: what AWS refuses, records and tells."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

from local.ecs import validation
from local.responses import RefusedError, Response, payload_of, reply
from local.symbols import Symbol

_ACTIONS: Final = Symbol("services.ecs", "_ACTION_MAP")
_RUN_TASK: Final = Symbol("services.ecs", "_run_task", ("data",))
_REGISTER: Final = Symbol("services.ecs", "_register_task_definition", ("data",))
_CREATE_SERVICE: Final = Symbol("services.ecs", "_create_service", ("data",))
_UPDATE_SERVICE: Final = Symbol("services.ecs", "_update_service", ("data",))
_DELETE_CLUSTER: Final = Symbol("services.ecs", "_delete_cluster", ("data",))
_CLUSTERS: Final = Symbol("services.ecs", "_clusters")
_TASK_DEFINITIONS: Final = Symbol("services.ecs", "_task_defs")
_TASKS: Final = Symbol("services.ecs", "_tasks")
_SERVICES: Final = Symbol("services.ecs", "_services")
_TAGS: Final = Symbol("services.ecs", "_tags")
_CLUSTER_NAME: Final = Symbol("services.ecs", "_resolve_cluster_name", ("ref",))
_DEFINITION_KEY: Final = Symbol("services.ecs", "_resolve_td_key", ("ref",))
_SUBNETS: Final = Symbol("services.ec2", "_subnets")

SYMBOLS: Final = (
    _ACTIONS,
    _RUN_TASK,
    _REGISTER,
    _CREATE_SERVICE,
    _UPDATE_SERVICE,
    _DELETE_CLUSTER,
    _CLUSTERS,
    _TASK_DEFINITIONS,
    _TASKS,
    _SERVICES,
    _TAGS,
    _CLUSTER_NAME,
    _DEFINITION_KEY,
    _SUBNETS,
)

SECURITY_GROUPS_FIELD: Final = "_security_groups"
"""Where a task's record keeps the security groups of its network interface."""

_ECHOED: Final = ("availabilityZoneRebalancing",)
_turns = itertools.count()

Action = Callable[[dict[str, Any]], Response]


def install() -> None:
    """Replace the calls, also where ECS itself makes them."""
    for name, symbol, make in (
        ("RunTask", _RUN_TASK, _run_task),
        ("RegisterTaskDefinition", _REGISTER, _register_task_definition),
        ("CreateService", _CREATE_SERVICE, _create_service),
        ("UpdateService", _UPDATE_SERVICE, _echoing_update),
        ("DeleteCluster", _DELETE_CLUSTER, _delete_cluster),
    ):
        action = _refusing(make(symbol.get()))
        symbol.set(action)
        _ACTIONS.get()[name] = action


def _refusing(action: Action) -> Action:
    def call(data: dict[str, Any]) -> Response:
        try:
            return action(data)
        except RefusedError as refused:
            return refused.response()

    return call


def _cluster(data: dict[str, Any]) -> dict[str, Any]:
    cluster: dict[str, Any] | None = _CLUSTERS.get().get(
        _CLUSTER_NAME.get()(data.get("cluster", "default"))
    )
    if cluster is None or cluster["status"] != "ACTIVE":
        raise RefusedError("ClusterNotFoundException", "Cluster not found.")
    return cluster


def _definition(data: dict[str, Any], *, inactive: bool = False) -> dict[str, Any]:
    reference = data.get("taskDefinition", "")
    found: dict[str, Any] | None = _TASK_DEFINITIONS.get().get(_DEFINITION_KEY.get()(reference))
    if found is None or (found["status"] == "INACTIVE" and not inactive):
        raise RefusedError("ClientException", f"TaskDefinition not found or inactive: {reference}")
    return found


def _run_task(run: Action) -> Action:
    def run_task(data: dict[str, Any]) -> Response:
        by_service = "_deploymentId" in data
        # A service goes on with a revision that was deregistered after its deployment.
        cluster, definition = _cluster(data), _definition(data, inactive=by_service)
        if not by_service:
            validation.check_run(data, definition, cluster)
        request = {**data, "group": data.get("group") or f"family:{definition['family']}"}
        if by_service:
            request["startedBy"] = data["_deploymentId"] or data.get("startedBy", "")
        request["tags"] = _tags(data, definition, cluster)
        network = (data.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        if network.get("subnets"):
            # MiniStack places every task in the first subnet; AWS spreads them.
            subnets = list(network["subnets"])
            turn = next(_turns) % len(subnets)
            spread = {**network, "subnets": subnets[turn:] + subnets[:turn]}
            request["networkConfiguration"] = {"awsvpcConfiguration": spread}
        response = run(request)
        if response[0] >= 400:
            return response
        answer = payload_of(response)
        for told in answer["tasks"]:
            task = _TASKS.get()[told["taskArn"]]
            task[SECURITY_GROUPS_FIELD] = list(network.get("securityGroups") or ())
            subnet = _SUBNETS.get().get(task.get("_subnet"))
            if subnet:
                zone = subnet["AvailabilityZone"]
                task["availabilityZone"] = told["availabilityZone"] = zone
        return reply(answer)

    return run_task


def _tags(
    data: dict[str, Any], definition: dict[str, Any], cluster: dict[str, Any]
) -> list[dict[str, str]]:
    tags = list(data.get("tags") or ())
    keys = {tag["key"] for tag in tags}
    if data.get("propagateTags") == "TASK_DEFINITION":
        inherited = _TAGS.get().get(definition["taskDefinitionArn"], ())
        tags += [
            tag for tag in inherited if tag["key"] not in keys and not tag["key"].startswith("aws:")
        ]
    if data.get("enableECSManagedTags"):
        tags.append({"key": "aws:ecs:clusterName", "value": cluster["clusterName"]})
    return tags


def _register_task_definition(register: Action) -> Action:
    def register_task_definition(data: dict[str, Any]) -> Response:
        validation.check_task_definition(data)
        return register(data)

    return register_task_definition


def _create_service(create: Action) -> Action:
    def create_service(data: dict[str, Any]) -> Response:
        cluster, definition = _cluster(data), _definition(data)
        validation.check_run(data, definition, cluster)
        return _echo(create(data), data)

    return create_service


def _echoing_update(update: Action) -> Action:
    def update_service(data: dict[str, Any]) -> Response:
        validation.check_service(data)
        return _echo(update(data), data)

    return update_service


def _echo(response: Response, data: dict[str, Any]) -> Response:
    """Keep members that MiniStack does not know, so that DescribeServices tells them."""
    if response[0] >= 400:
        return response
    answer = payload_of(response)
    service = answer["service"]
    key = "/".join(service["serviceArn"].rsplit("/", 2)[1:])
    for name in _ECHOED:
        if name in data:
            _SERVICES.get()[key][name] = service[name] = data[name]
    return reply(answer)


def _delete_cluster(delete: Action) -> Action:
    def delete_cluster(data: dict[str, Any]) -> Response:
        cluster = _cluster(data)
        name, arn = cluster["clusterName"], cluster["clusterArn"]
        if any(
            key.startswith(f"{name}/") and service["status"] == "ACTIVE"
            for key, service in _SERVICES.get().items()
        ):
            raise RefusedError(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            )
        if any(
            task["clusterArn"] == arn and task["lastStatus"] != "STOPPED"
            for task in _TASKS.get().values()
        ):
            raise RefusedError(
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.",
            )
        return delete(data)

    return delete_cluster
