from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.errors import BadEnvironmentError, ObjectConflictError, Rejected
from batchkit.events import S3Event
from batchkit.runs import RunKeys
from data_ingestion import stress
from data_ingestion.market_data import MarketData
from data_ingestion.monte_carlo import MonteCarlo
from data_ingestion.scenarios import (
    ScenarioSet,
    from_parquet,
    load_or_make,
    make,
    options,
    sha256,
)

from tests.images.data_ingestion.conftest import market_frame, market_rows

if TYPE_CHECKING:
    from batchkit.stage import Context

    from tests.images.conftest import Place

NO_SIMULATION = MonteCarlo(0, 1, "ewma", 0.94)


def market(days: int = 260) -> MarketData:
    return MarketData("market-data/x.csv", None, market_frame(market_rows(days)))


def test_the_blocks_are_history_simulation_and_stress(scenarios: ScenarioSet) -> None:
    described = scenarios.describe()
    assert described["count"] == scenarios.count == 259 + 20 + 7
    historical, simulated, stressed = described["blocks"]
    assert len(historical.pop("dates")) == 259
    assert historical == {"kind": "historical", "start": 0, "count": 259}
    assert simulated == {
        "kind": "monte-carlo",
        "start": 259,
        "count": 20,
        "seed": 1,
        "weighting": "ewma",
        "decay": 0.94,
    }
    assert stressed.pop("names")[:2] == ["2008", "2020"]
    assert stressed == {"kind": "stress", "start": 279, "count": 7}


def test_every_factor_has_as_many_shocks_as_there_are_scenarios(scenarios: ScenarioSet) -> None:
    assert set(scenarios.factors["shocks"].list.len()) == {scenarios.count}
    assert scenarios.factors["shocks"].list.eval(pl.element().is_finite()).list.all().all()


def test_the_shocks_stand_in_the_order_of_the_blocks(scenarios: ScenarioSet) -> None:
    (equity,) = scenarios.factors.filter(factor_type="EQ")["shocks"]
    assert equity[0] == 101 / 100
    assert len(set(equity[259:279])) == 20
    assert equity[-1] == 0.8


def test_a_block_without_scenarios_is_left_out() -> None:
    made = make(market(), "USD", NO_SIMULATION, [])
    assert [block["kind"] for block in made.describe()["blocks"]] == ["historical"]
    assert made.count == 259
    only_stress = make(market(), "USD", NO_SIMULATION, stress.read())
    assert [block["start"] for block in only_stress.describe()["blocks"]] == [0, 259]


def test_what_positions_may_depend_on_is_named(scenarios: ScenarioSet) -> None:
    assert scenarios.equities == ["ACME"]
    assert scenarios.volatilities == ["ACME"]
    assert scenarios.curves == ["EUR-OIS", "USD-OIS"]
    assert scenarios.currencies == ["USD", "EUR"]
    assert scenarios.discounted == ["EUR", "USD"]


def test_a_curve_of_bonds_discounts_them_but_no_currency() -> None:
    bonds = [(*row[:1], "EUR-GOV", *row[2:]) for row in market_rows() if row[1] == "EUR-OIS"]
    data = MarketData("x", None, market_frame([*market_rows(), *bonds]))
    made = make(data, "USD", NO_SIMULATION, [])
    assert made.curves == ["EUR-GOV", "EUR-OIS", "USD-OIS"]
    assert made.discounted == ["EUR", "USD"]


def test_what_has_gaps_is_named_as_people_call_it() -> None:
    gappy = [
        ("2026-01-30", "GAPPY", "VOL", "", "0.3"),
        ("2026-01-30", "GAPPY-DIV", "RATE", "", "0"),
    ]
    data = MarketData("x", None, market_frame([*market_rows(), *gappy]))
    made = make(data, "USD", NO_SIMULATION, [])
    assert made.incomplete == {"GAPPY": 1, "GAPPY-DIV": 259, "GAPPY volatility": 259}
    assert made.incomplete_ids("EQ") == ["GAPPY"]
    assert made.incomplete_ids("VOL") == ["GAPPY"]
    assert made.incomplete_ids("RATE") == ["GAPPY-DIV"]


def test_the_same_market_data_in_any_order_makes_the_same_bytes(scenarios: ScenarioSet) -> None:
    shuffled = market().values.sample(fraction=1, shuffle=True, seed=5)
    simulation = MonteCarlo(20, 1, "ewma", 0.94)
    again = make(MarketData("y", None, shuffled), "USD", simulation, stress.read())
    assert sha256(again.to_parquet()) == sha256(scenarios.to_parquet())
    other = make(market(), "USD", replace(simulation, seed=2), stress.read())
    assert sha256(other.to_parquet()) != sha256(scenarios.to_parquet())


def test_the_file_holds_all_of_the_set(scenarios: ScenarioSet) -> None:
    content = scenarios.to_parquet()
    again = from_parquet(content)
    assert again.describe() == scenarios.describe()
    assert again.factors.equals(scenarios.factors)
    assert (again.base_currency, again.gaps) == (scenarios.base_currency, scenarios.gaps)
    assert again.to_parquet() == content


@pytest.fixture
def context(place: Place) -> Context:
    return place.context("data-ingestion").for_event(S3Event("input", "positions/x.csv", "1"))


def test_a_run_without_a_set_gets_one(context: Context) -> None:
    found, content = load_or_make(context, market(), "USD", NO_SIMULATION)
    assert found.count == 266
    assert content == found.to_parquet()


def test_a_run_that_has_a_set_goes_on_with_it_whatever_would_be_made_now(context: Context) -> None:
    first, content = load_or_make(context, market(), "USD", NO_SIMULATION)
    context.storage.put_once(RunKeys(context.run_id).scenarios, content, "application/octet-stream")
    again, same = load_or_make(context, market(252), "EUR", MonteCarlo(9, 3, "equal", 0.9))
    assert same == content
    assert again.describe() == first.describe()
    assert again.base_currency == "USD"


def test_a_set_of_another_release_is_a_conflict(context: Context) -> None:
    buffer = io.BytesIO()
    make(market(), "USD", NO_SIMULATION, []).factors.write_parquet(buffer)
    key = RunKeys(context.run_id).scenarios
    context.storage.put_once(key, buffer.getvalue(), "application/octet-stream")
    with pytest.raises(ObjectConflictError, match="Upload the positions again"):
        load_or_make(context, market(), "USD", NO_SIMULATION)


def test_market_data_that_is_too_short_is_rejected(context: Context) -> None:
    with pytest.raises(Rejected, match="199 daily moves"):
        load_or_make(context, market(200), "USD", NO_SIMULATION)


def test_what_is_simulated_comes_from_the_environment() -> None:
    assert options({}) == MonteCarlo(1000, 20260130, "ewma", 0.94)
    chosen = {"MC_SCENARIOS": "0", "MC_SEED": "7", "MC_WEIGHTING": "equal", "MC_DECAY": "0.97"}
    assert options(chosen) == MonteCarlo(0, 7, "equal", 0.97)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MC_SCENARIOS", "-1"),
        ("MC_SCENARIOS", "many"),
        ("MC_SEED", "1e99"),
        ("MC_SEED", "1.5"),
        ("MC_DECAY", "0"),
        ("MC_DECAY", "1.01"),
        ("MC_WEIGHTING", "GARCH"),
    ],
)
def test_a_setting_that_is_out_of_range_is_named(name: str, value: str) -> None:
    with pytest.raises(BadEnvironmentError, match=name):
        options({name: value})
