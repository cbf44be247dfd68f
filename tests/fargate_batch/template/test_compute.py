from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fargate_batch.settings import Capacity
from fargate_batch.template.compute import capacity_strategy

COUNTS = st.integers(0, 1000)
WEIGHTS = st.tuples(COUNTS, COUNTS).filter(any)


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


def test_a_base_counts_for_services_only() -> None:
    capacity = Capacity(fargate_base=4, fargate_weight=2, fargate_spot_weight=1)
    assert [item.get("Base", 0) for item in capacity_strategy(capacity)] == [4, 0]
    rules = capacity_strategy(capacity, base=False)
    assert {item["CapacityProvider"]: item["Weight"] for item in rules} == {
        "FARGATE": 2,
        "FARGATE_SPOT": 1,
    }
    assert not any(item.get("Base") for item in rules)


def test_rules_run_on_spot_alone_when_fargate_is_a_base_alone() -> None:
    capacity = Capacity(fargate_base=2, fargate_weight=0, fargate_spot_weight=1)
    assert capacity_strategy(capacity, base=False) == [
        {"CapacityProvider": "FARGATE_SPOT", "Weight": 1}
    ]


@given(base=COUNTS, weights=WEIGHTS, for_services=st.booleans())
def test_ecs_accepts_every_strategy(
    base: int,
    weights: tuple[int, int],
    for_services: bool,  # noqa: FBT001  # hypothesis draws it
) -> None:
    weight, spot = weights
    strategy = capacity_strategy(
        Capacity(fargate_base=base, fargate_weight=weight, fargate_spot_weight=spot),
        base=for_services,
    )
    # ECS wants some weight, each provider once, and a base on one of them at most.
    assert any(item["Weight"] for item in strategy)
    assert len({item["CapacityProvider"] for item in strategy}) == len(strategy)
    assert sum("Base" in item for item in strategy) <= 1
