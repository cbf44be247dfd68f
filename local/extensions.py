"""What the local AWS adds to MiniStack, in the order in which it is put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from local import registry, transport
from local.autoscaling import api as autoscaling_api
from local.cloudformation import containers, network, scaling
from local.ecs import containers as ecs_containers
from local.ecs import credentials, exits, state_changes, stopping
from local.events import delivery, metrics
from local.runner import client, images
from local.symbols import Symbol, check

if TYPE_CHECKING:
    from local.runner.client import Runner

SYMBOLS: Final[tuple[Symbol, ...]] = tuple(
    dict.fromkeys(
        symbol
        for module in (
            registry,
            transport,
            autoscaling_api,
            containers,
            network,
            scaling,
            ecs_containers,
            credentials,
            exits,
            state_changes,
            stopping,
            delivery,
            metrics,
            client,
            images,
        )
        for symbol in module.SYMBOLS
    )
)


def install(runner: Runner, port: int) -> None:
    """Extend MiniStack, once in a process.

    Raises:
        IncompatibleMiniStackError: the installed MiniStack is another one.
    """
    check(SYMBOLS)
    transport.install()
    registry.install(port)
    autoscaling_api.install()
    containers.install()
    network.install()
    scaling.install()
    ecs_containers.install()
    credentials.install(runner.endpoint_for)
    # Reasons come before the event that tells them, and stopping uses the marks that tell.
    exits.install()
    state_changes.install()
    stopping.install()
    metrics.install()
    delivery.install()
    runner.install()
