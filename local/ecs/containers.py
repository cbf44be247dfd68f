"""How a container definition's settings reach the container: limits, user, file system, health."""

from __future__ import annotations

import os
from typing import Any, Final

from local.symbols import Symbol

_RUN_ARGUMENTS: Final = Symbol(
    "services.ecs",
    "_build_run_kwargs",
    (
        "cdef",
        "td",
        "env",
        "port_bindings",
        "ecs_network",
        "host_mode",
        "task_id",
        "task_arn",
        "ministack_net_ip",
        "cluster_arn",
    ),
)
_RUN_CONTAINER: Final = Symbol(
    "services.ecs",
    "_run_docker_container",
    (
        "docker_client",
        "cdef",
        "run_kwargs",
        "refresh_image",
        "allow_cached",
        "cache_image",
        "fallback_image",
        "auth_config",
    ),
)
_PULL_ERROR: Final = Symbol("services.ecs", "_ImagePullError")

SYMBOLS: Final = (_RUN_ARGUMENTS, _RUN_CONTAINER, _PULL_ERROR)

STOP_TIMEOUT_LABEL: Final = "local.stop-timeout"
_DEFAULT_STOP_TIMEOUT: Final = 30
_SECOND: Final = 1_000_000_000
_CPU_UNITS: Final = 1024


class CannotPullError(Exception):
    """An image that the registry does not have."""


def install() -> None:
    """Pass the settings on, and tell a missing image from a container that does not start."""
    _RUN_ARGUMENTS.wrap(_completing)
    _RUN_CONTAINER.wrap(_telling_pull_errors)


def _completing(build: Any) -> Any:
    def complete(cdef: dict[str, Any], td: dict[str, Any], *rest: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = build(cdef, td, *rest)
        arguments |= container_arguments(cdef, td)
        arguments["labels"][STOP_TIMEOUT_LABEL] = str(
            cdef.get("stopTimeout") or _DEFAULT_STOP_TIMEOUT
        )
        return arguments

    return complete


def container_arguments(cdef: dict[str, Any], td: dict[str, Any]) -> dict[str, Any]:
    """Docker's arguments for the settings that MiniStack leaves out.

    Args:
        cdef: a container definition, in camelCase.
        td: its task definition.
    """
    linux = cdef.get("linuxParameters") or {}
    arguments: dict[str, Any] = {}
    for setting, argument in (
        ("entryPoint", "entrypoint"),
        ("user", "user"),
        ("workingDirectory", "working_dir"),
    ):
        if cdef.get(setting):
            arguments[argument] = cdef[setting]
    if cdef.get("readonlyRootFilesystem"):
        arguments["read_only"] = True
    if linux.get("initProcessEnabled"):
        arguments["init"] = True
    dropped = (linux.get("capabilities") or {}).get("drop")
    if dropped:
        arguments["cap_drop"] = dropped
    memory = cdef.get("memory") or td.get("memory")
    if memory:
        # Swap would only hide what Fargate kills for.
        arguments["mem_limit"] = arguments["memswap_limit"] = f"{int(memory)}m"
    cpu = cdef.get("cpu") or td.get("cpu")
    if cpu:
        cores = min(int(cpu) / _CPU_UNITS, os.cpu_count() or 1)
        arguments["nano_cpus"] = int(cores * _SECOND)
    scratch = _scratch(cdef, td)
    if scratch:
        arguments["tmpfs"] = scratch
    if cdef.get("healthCheck"):
        arguments["healthcheck"] = _health_check(cdef["healthCheck"])
    return arguments


def _scratch(cdef: dict[str, Any], td: dict[str, Any]) -> dict[str, str]:
    """Where the task's own volumes are mounted: each is empty and writable by every user."""
    own = {
        volume["name"]
        for volume in td.get("volumes") or ()
        if not (volume.get("host") or {}).get("sourcePath")
    }
    return {
        mount["containerPath"]: "mode=1777"
        for mount in cdef.get("mountPoints") or ()
        if mount.get("sourceVolume") in own and not mount.get("readOnly")
    }


def _health_check(check: dict[str, Any]) -> dict[str, Any]:
    return {
        "test": check["command"],
        "interval": int(check.get("interval") or 30) * _SECOND,
        "timeout": int(check.get("timeout") or 5) * _SECOND,
        "retries": int(check.get("retries") or 3),
        "start_period": int(check.get("startPeriod") or 0) * _SECOND,
    }


def _telling_pull_errors(run: Any) -> Any:
    def run_container(client: Any, cdef: Any, arguments: Any, **options: Any) -> Any:
        if client.images.runs_as_process(cdef["image"]):
            # An engine is watched for a moment whether it can run the platform at all.
            arguments.pop("platform", None)
        try:
            return run(client, cdef, arguments, **options)
        except CannotPullError as error:
            raise _PULL_ERROR.get()(str(error)) from error

    return run_container
