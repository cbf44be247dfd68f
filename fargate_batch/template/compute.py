"""What the templates that run tasks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from troposphere import Sub

from fargate_batch.names import Output
from fargate_batch.template.parts import arn, mark

if TYPE_CHECKING:
    from troposphere import Template

    from fargate_batch.settings import Capacity

PLATFORM_VERSION: Final = "1.4.0"

ON_DEMAND: Final[list[dict[str, Any]]] = [{"CapacityProvider": "FARGATE", "Weight": 1}]
"""The strategy of a task that is not to be taken away."""


def tasks_of_cluster(template: Template) -> Sub:
    """The ARN of any task of the cluster, as a policy names it."""
    return Sub(arn("ecs", f"task/{mark(template, Output.CLUSTER_NAME)}/*"))


def capacity_strategy(capacity: Capacity, *, base: bool = True) -> list[dict[str, Any]]:
    """How tasks are shared out between the two Fargate providers; one without weight is left out.

    Only one provider of a strategy may have a base, and it is the one that is never taken away.

    Args:
        capacity: the environment's shares.
        base: whether there is a base. It counts the tasks of a service; a rule asks for one task a
            request, so with a base all of them would run on FARGATE.
    """
    tasks = capacity.fargate_base if base else 0
    strategy = []
    if capacity.fargate_weight or tasks:
        strategy.append(
            {"CapacityProvider": "FARGATE", "Base": tasks, "Weight": capacity.fargate_weight}
        )
    if capacity.fargate_spot_weight:
        strategy.append(
            {"CapacityProvider": "FARGATE_SPOT", "Weight": capacity.fargate_spot_weight}
        )
    return strategy
