"""What the local AWS adds to MiniStack, in the order in which it is put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local import (
    alarms,
    clock,
    embedded_metrics,
    endpoints,
    gauges,
    metric_data,
    persistence,
    queues,
    transport,
)
from local.autoscaling import api as autoscaling_api
from local.autoscaling import scaler, tracking
from local.cloudformation import alarms as alarm_resources
from local.cloudformation import (
    containers,
    dependencies,
    encryption,
    interruption,
    network,
    rules,
    scaling,
    stacks,
    storage,
)
from local.ecs import (
    agent,
    credentials,
    exits,
    protection,
    requests,
    restarts,
    scheduler,
    slots,
    state_changes,
    stopping,
)
from local.ecs import containers as ecs_containers
from local.events import delivery, log_target, metrics, object_versions, permissions, schedules
from local.faults import control
from local.faults import events as event_faults
from local.faults import tasks as task_faults
from local.registry import addresses, blobs
from local.registry import images as registry_images
from local.runner import client, images
from local.symbols import Symbol, check

if TYPE_CHECKING:
    from local.location import Directory
    from local.runner.client import Runner

_MODULES: Final = (
    addresses,
    agent,
    alarm_resources,
    alarms,
    autoscaling_api,
    blobs,
    client,
    clock,
    containers,
    credentials,
    delivery,
    dependencies,
    ecs_containers,
    embedded_metrics,
    encryption,
    endpoints,
    event_faults,
    exits,
    gauges,
    images,
    interruption,
    log_target,
    metric_data,
    metrics,
    network,
    object_versions,
    permissions,
    persistence,
    protection,
    queues,
    registry_images,
    requests,
    restarts,
    rules,
    schedules,
    scaler,
    scaling,
    scheduler,
    slots,
    stacks,
    state_changes,
    stopping,
    storage,
    task_faults,
    tracking,
    transport,
)

SYMBOLS: Final[tuple[Symbol, ...]] = tuple(
    dict.fromkeys(symbol for module in _MODULES for symbol in module.SYMBOLS)
)


def install(runner: Runner, directory: Directory, port: int) -> None:
    """Extend MiniStack, once in a process.

    Raises:
        IncompatibleMiniStackError: the installed MiniStack is another one.
    """
    check(SYMBOLS)
    transport.install()
    addresses.install(port)
    blobs.install(directory.blobs)
    registry_images.install()
    endpoints.install()
    queues.install()
    alarms.install()
    embedded_metrics.install()
    autoscaling_api.install()
    for resources in (
        alarm_resources,
        containers,
        dependencies,
        encryption,
        network,
        rules,
        scaling,
        stacks,
        storage,
    ):
        resources.install()
    requests.install()
    ecs_containers.install()
    credentials.install(runner.endpoint_for)
    # Reasons come before the event that tells them, and stopping uses the marks that tell.
    exits.install()
    state_changes.install()
    slots.install()
    task_faults.install()
    control.install()
    restarts.install()
    stopping.install()
    agent.install()
    protection.install()
    scheduler.install()
    metrics.install()
    event_faults.install()
    object_versions.install()
    delivery.install()
    schedules.install()
    runner.install()
