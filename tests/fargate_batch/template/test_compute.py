from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fargate_batch.settings import Capacity
from fargate_batch.template.compute import capacity_strategy

COUNTS = st.integers(0, 1000)


def test_a_provider_without_weight_and_base_is_left_out() -> None:
    only_spot = Capacity(fargate_base=0, fargate_weight=0, fargate_spot_weight=1)
    assert capacity_strategy(only_spot) == [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    no_spot = Capacity(fargate_base=0, fargate_weight=1, fargate_spot_weight=0)
    assert [item["CapacityProvider"] for item in capacity_strategy(no_spot)] == ["FARGATE"]


def test_a_base_alone_keeps_fargate_beside_spot() -> None:
    capacity = Capacity(fargate_base=2, fargate_weight=0, fargate_spot_weight=1)
    first, second = capacity_strategy(capacity)
    assert first == {"CapacityProvider": "FARGATE", "Base": 2, "Weight": 0}
    assert second == {"CapacityProvider": "FARGATE_SPOT", "Weight": 1}


@given(base=COUNTS, weight=st.integers(1, 1000), spot=COUNTS)
def test_ecs_accepts_every_strategy(base: int, weight: int, spot: int) -> None:
    strategy = capacity_strategy(
        Capacity(fargate_base=base, fargate_weight=weight, fargate_spot_weight=spot)
    )
    # ECS wants some weight, each provider once, and a base on one of them at most.
    assert any(item["Weight"] for item in strategy)
    assert len({item["CapacityProvider"] for item in strategy}) == len(strategy)
    assert sum("Base" in item for item in strategy) <= 1
