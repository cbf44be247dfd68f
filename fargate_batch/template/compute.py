"""What the templates that run tasks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fargate_batch.settings import Capacity

PLATFORM_VERSION: Final = "1.4.0"


def capacity_strategy(capacity: Capacity) -> list[dict[str, Any]]:
    """How tasks are shared out between the two Fargate providers; one without weight is left out.

    Only one provider of a strategy may have a base, and it is the one that is never taken away.
    """
    strategy = []
    if capacity.fargate_weight or capacity.fargate_base:
        strategy.append(
            {
                "CapacityProvider": "FARGATE",
                "Base": capacity.fargate_base,
                "Weight": capacity.fargate_weight,
            }
        )
    if capacity.fargate_spot_weight:
        strategy.append(
            {"CapacityProvider": "FARGATE_SPOT", "Weight": capacity.fargate_spot_weight}
        )
    return strategy
