"""The peers value what the stage values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import revaluation, sums
from benchmarks.convert import OWN, prepared
from samples import generate

# `revaluation` has put the stages' code on the path.
from risk_calculation.shard import positions_of  # isort: skip

if TYPE_CHECKING:
    import polars as pl
    from risk_calculation.market import Market


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, Market]:
    folder = tmp_path_factory.mktemp("sample")
    positions, market_data = generate.write_large(5, 1500, 300, folder)
    prepared(OWN, positions, market_data, folder)()
    shard = positions_of((folder / "00000.parquet").read_bytes())
    return shard, revaluation.scenario_market(market_data)


def test_numpy_in_blocks_finds_the_stages_pnl(given: tuple[pl.DataFrame, Market]) -> None:
    assert revaluation.agreement(*given) < 1e-12


def test_quantlib_finds_the_stages_pnl(given: tuple[pl.DataFrame, Market]) -> None:
    shard, market = given
    held = revaluation.book(shard, market, 30)
    terms = revaluation.quantlib_terms(held)
    values = np.array(terms.values()).reshape(held.contracts, -1)
    groups = np.repeat(np.arange(len(held.holdings.rows)), np.diff(held.holdings.starts))
    fx = market.factors[held.holdings.rows[groups, 1]]
    amounts = held.holdings.contracts[:, 4:] * fx * values
    pnl = (amounts - amounts[:, :1])[:, 1 : 1 + market.scenarios]
    own = revaluation.value(held, 1)
    assert pnl.sum(axis=0) == pytest.approx(own.sum(axis=0), rel=1e-9, abs=1e-9 * np.abs(pnl).max())


def test_prices_are_quantlibs() -> None:
    assert revaluation.accuracy().verdict == "ok"


def test_many_shards_are_one(given: tuple[pl.DataFrame, Market]) -> None:
    near, same = sums.one_and_many(*given)
    assert 0 <= near.measured <= 1e-12
    assert same.measured == 0


def test_rates_are_above_zero(given: tuple[pl.DataFrame, Market]) -> None:
    assert sums.netted_rows(*given) > 0
    assert sums.added_values(*given) > 0
