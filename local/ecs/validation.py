"""What ECS refuses and MiniStack accepts."""

from __future__ import annotations

from typing import Any, Final

from local.responses import RefusedError

# Memory in MiB for each number of CPU units.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY: Final = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
_FARGATE_STOP_TIMEOUT: Final = 120


def check_task_definition(definition: dict[str, Any]) -> None:
    """Refuse what Fargate cannot run.

    Args:
        definition: RegisterTaskDefinition's members, in camelCase.

    Raises:
        RefusedError: as ECS words it.
    """
    if "FARGATE" not in (definition.get("requiresCompatibilities") or ()):
        return
    if definition.get("networkMode") != "awsvpc":
        raise _client_error("Networking mode must be 'awsvpc' for Fargate tasks.")
    cpu, memory = definition.get("cpu"), definition.get("memory")
    if cpu is None or memory is None:
        raise _client_error(
            "Fargate requires that 'cpu' and 'memory' be defined at the task level."
        )
    if int(memory) not in FARGATE_MEMORY.get(int(cpu), ()):
        raise _client_error(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See "
            "the Amazon ECS documentation for the valid values."
        )
    for container in definition.get("containerDefinitions") or ():
        _check_container(container, definition)


def _check_container(container: dict[str, Any], definition: dict[str, Any]) -> None:
    name = container.get("name", "")
    if container.get("privileged"):
        raise _client_error(f"Fargate does not support privileged containers ({name}).")
    if int(container.get("stopTimeout") or 0) > _FARGATE_STOP_TIMEOUT:
        raise _client_error(
            f"Container '{name}': stopTimeout must be at most {_FARGATE_STOP_TIMEOUT} on Fargate."
        )
    if (container.get("linuxParameters") or {}).get("tmpfs"):
        raise _client_error("Fargate does not support tmpfs in linuxParameters.")
    uses_logs = container.get("logConfiguration") or {}
    if uses_logs.get("logDriver") == "awslogs" and not definition.get("executionRoleArn"):
        raise _client_error(
            "Fargate requires task definition to have execution role ARN to support log driver "
            "awslogs."
        )


def check_service(service: dict[str, Any]) -> None:
    """Refuse what a Fargate service cannot have.

    Args:
        service: CreateService's members, in camelCase.

    Raises:
        RefusedError: as ECS words it.
    """
    if _on_fargate(service) and service.get(
        "placementStrategies", service.get("placementStrategy")
    ):
        raise RefusedError(
            "InvalidParameterException",
            "Placement strategies are not supported with FARGATE launch type.",
        )


def check_run(request: dict[str, Any], definition: dict[str, Any], cluster: dict[str, Any]) -> None:
    """Refuse a RunTask or CreateService that Fargate cannot place.

    Raises:
        RefusedError: as ECS words it.
    """
    default = (
        (cluster.get("defaultCapacityProviderStrategy") or [])
        if not (request.get("launchType") or request.get("capacityProviderStrategy"))
        else []
    )
    choice = {
        **request,
        "capacityProviderStrategy": request.get("capacityProviderStrategy") or default,
    }
    check_service(choice)
    fargate = "FARGATE" in (definition.get("requiresCompatibilities") or ())
    if _on_fargate(choice) and not fargate:
        raise RefusedError(
            "InvalidParameterException",
            "Task definition does not support launch_type FARGATE.",
        )
    if definition.get("networkMode") == "awsvpc":
        network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        if not network.get("subnets"):
            raise RefusedError(
                "InvalidParameterException",
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            )
    if int(request.get("count") or 1) > 10:
        raise RefusedError("InvalidParameterException", "count cannot be greater than 10.")


def _on_fargate(request: dict[str, Any]) -> bool:
    strategy = request.get("capacityProviderStrategy") or ()
    return request.get("launchType") == "FARGATE" or any(
        item.get("capacityProvider") in ("FARGATE", "FARGATE_SPOT") for item in strategy
    )


def _client_error(message: str) -> RefusedError:
    return RefusedError("ClientException", message)
