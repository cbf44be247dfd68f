from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate_batch import prices
from fargate_batch.catalogue import FARGATE_MEMORY

SIZES = st.sampled_from(
    [(cpu, memory) for cpu, memories in FARGATE_MEMORY.items() for memory in memories]
)


def test_a_task_costs_its_cpu_and_its_memory() -> None:
    # Two vCPU and 4 GB: 2 x 0.04048 + 4 x 0.004445.
    assert prices.task_price_per_hour(2048, 4096) == pytest.approx(0.09874)


def test_spot_takes_its_discount_off() -> None:
    assert prices.task_price_per_hour(1024, 2048, spot=True) == pytest.approx(
        0.3 * prices.task_price_per_hour(1024, 2048)
    )


def test_an_endpoint_costs_what_its_region_asks() -> None:
    assert prices.endpoint_price_per_hour("us-east-1") == pytest.approx(0.010)


def test_an_endpoint_in_a_region_that_is_not_listed_costs_as_in_ireland() -> None:
    ireland = prices.endpoint_price_per_hour("eu-west-1")
    assert prices.endpoint_price_per_hour("eu-north-1") == ireland


@given(size=SIZES, share=st.floats(0, 1))
def test_expected_price_lies_between_spots_and_fargates(
    size: tuple[int, int], share: float
) -> None:
    cpu, memory = size
    expected = prices.expected_task_price_per_hour(cpu, memory, spot_share=share)
    spot = prices.task_price_per_hour(cpu, memory, spot=True)
    on_demand = prices.task_price_per_hour(cpu, memory)
    assert spot * (1 - 1e-12) <= expected <= on_demand * (1 + 1e-12)
