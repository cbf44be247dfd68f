"""Against covariances that numpy makes, and bounds of five standard errors at a fixed seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from data_ingestion.monte_carlo import MonteCarlo, Weighting, _weighted_deviations, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

Array = np.ndarray[Any, np.dtype[np.float64]]
WEIGHTINGS: list[Weighting] = ["ewma", "equal"]
KINDS = ("EQ", "FX", "VOL", "RATE")


def wanted(scenarios: int, weighting: Weighting = "ewma", seed: int = 1) -> MonteCarlo:
    return MonteCarlo(scenarios, seed, weighting, 0.94)


def moves(days: int, factors: int) -> Array:
    """Correlated moves of different sizes, shape (factors, days)."""
    source = np.random.default_rng(11)
    mixed = source.normal(size=(factors, factors)) @ source.normal(size=(factors, days))
    sizes = 10.0 ** -(1 + np.arange(factors) % 4)
    return np.asarray(mixed * 0.1 * sizes[:, None])


def frame(given_moves: Array, kinds: tuple[str, ...] = KINDS) -> pl.DataFrame:
    """The factors of a history with these log shocks (RATE: differences)."""
    kinds = tuple(kinds[index % len(kinds)] for index in range(len(given_moves)))
    rows = [
        list(row if kind == "RATE" else np.exp(row))
        for row, kind in zip(given_moves, kinds, strict=True)
    ]
    return pl.DataFrame({"factor_type": kinds, "shocks": rows})


def simulated(history: pl.DataFrame, what: MonteCarlo) -> Array:
    """Log shocks (RATE: differences), shape (factors, scenarios)."""
    found = np.array(simulate(history, what).to_list())
    rate = (history["factor_type"] == "RATE").to_numpy()[:, None]
    return np.where(rate, found, np.log(np.where(rate, 1.0, found)))


def covariance(given_moves: Array, weighting: Weighting) -> Array:
    if weighting == "equal":
        return np.atleast_2d(np.cov(given_moves))
    weights = 0.94 ** np.arange(given_moves.shape[1])[::-1]
    return np.asarray((given_moves * weights) @ given_moves.T / weights.sum())


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_the_deviations_make_the_covariance_that_numpy_makes(
    weighting: Weighting, data: st.DataObject
) -> None:
    days = data.draw(st.integers(2, 40))
    factors = data.draw(st.integers(1, 5))
    number = st.floats(-0.2, 0.2)
    rows = data.draw(
        st.lists(st.lists(number, min_size=days, max_size=days), min_size=factors, max_size=factors)
    )
    deviations = np.array(
        [day.to_list() for day in _weighted_deviations(pl.Series(rows), wanted(1, weighting))]
    )
    expected = covariance(np.array(rows), weighting)
    np.testing.assert_allclose(deviations.T @ deviations, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("scenarios", [300, 3000, 30_000])
def test_the_simulated_covariance_tends_to_the_historys(
    weighting: Weighting, scenarios: int
) -> None:
    past = moves(days=30, factors=4)
    found = simulated(frame(past), wanted(scenarios, weighting))
    target = covariance(past, weighting)
    sizes = np.sqrt(np.diag(target))
    correlation = target / np.outer(sizes, sizes)
    error = np.cov(found) / np.outer(sizes, sizes) - correlation
    # The standard error of a normal sample's covariance, of factors scaled to variance 1.
    assert np.all(np.abs(error) < 5 * np.sqrt((1 + correlation**2) / scenarios))
    assert np.all(np.abs(found.mean(axis=1)) < 5 * sizes / np.sqrt(scenarios))


def test_the_moves_are_normal() -> None:
    past = moves(days=20, factors=4)
    found = simulated(frame(past), wanted(20_000))
    for row, size in zip(found, np.sqrt(np.diag(covariance(past, "ewma"))), strict=True):
        assert stats.kstest(row / size, "norm").pvalue > 1e-3


def test_a_portfolios_quantile_tends_to_the_closed_form() -> None:
    past = moves(days=25, factors=4)
    held = np.array([3.0, -20.0, 100.0, 4000.0])
    size = np.sqrt(held @ covariance(past, "equal") @ held)
    losses = -held @ simulated(frame(past), wanted(40_000, "equal"))
    # f(z) of the standard normal: a sample quantile's standard error is sqrt(p·(1-p)/n)/f(z).
    error = np.sqrt(0.99 * 0.01 / 40_000) / stats.norm.pdf(stats.norm.ppf(0.99))
    assert np.quantile(losses, 0.99) / size == pytest.approx(stats.norm.ppf(0.99), abs=5 * error)


def test_recent_days_count_more_with_ewma_and_alike_without() -> None:
    calm_then_wild = np.concatenate([np.full(150, 0.001), np.full(50, 0.03)])
    past = (calm_then_wild * np.resize([1, -1], 200))[None, :]
    ewma = simulated(frame(past), wanted(4000, "ewma")).std()
    equal = simulated(frame(past), wanted(4000, "equal")).std()
    assert ewma == pytest.approx(0.03 * np.sqrt(1 - 0.94**50), rel=0.06)
    assert equal == pytest.approx(0.03 / 2, rel=0.06)


def test_a_price_that_falls_every_day_is_risk_with_ewma_and_a_mean_without() -> None:
    past = np.full((1, 250), -0.01)
    ewma = simulated(frame(past), wanted(4000, "ewma")).std()
    assert ewma == pytest.approx(0.01, rel=0.06)
    assert simulated(frame(past), wanted(4000, "equal")).std() == pytest.approx(0, abs=1e-12)


def test_more_factors_than_days_are_no_problem() -> None:
    past = moves(days=6, factors=40)
    assert np.linalg.matrix_rank(covariance(past, "equal")) < 40
    found = simulated(frame(past), wanted(1000, "equal"))
    assert np.isfinite(found).all()
    # No move leaves the space that the history's moves span.
    deviations = past - past.mean(axis=1, keepdims=True)
    sizes = past.std(axis=1, keepdims=True)
    outside = (
        found / sizes
        - (deviations / sizes) @ np.linalg.lstsq(deviations / sizes, found / sizes, rcond=None)[0]
    )
    assert np.abs(outside).max() < 1e-9


def test_a_factor_twice_moves_as_one() -> None:
    past = moves(days=30, factors=1)
    found = simulate(frame(np.vstack([past, past]), kinds=("EQ", "EQ")), wanted(500))
    assert found[0].to_list() == found[1].to_list()


def test_a_factor_that_never_moved_never_moves() -> None:
    past = moves(days=30, factors=4)
    past[[0, 3]] = 0.0
    found = simulate(frame(past), wanted(100)).to_list()
    assert found[0] == [1.0] * 100
    assert found[3] == [0.0] * 100


def test_what_cannot_be_negative_stays_above_0() -> None:
    past = moves(days=30, factors=3) * 300
    found = np.array(simulate(frame(past, kinds=("EQ", "FX", "VOL")), wanted(5000)).to_list())
    assert found.std() > 1
    assert np.all(found > 0)


def test_the_seed_makes_the_scenarios() -> None:
    past = frame(moves(days=30, factors=4))
    first = simulate(past, wanted(1500))
    assert simulate(past, wanted(1500)).equals(first)
    assert not simulate(past, wanted(1500, seed=2)).equals(first)


@pytest.mark.parametrize("scenarios", [1, 999, 1000, 1001, 2500])
def test_there_are_as_many_scenarios_as_wanted(scenarios: int) -> None:
    found = simulate(frame(moves(days=5, factors=3)), wanted(scenarios))
    assert found.list.len().to_list() == [scenarios] * 3
    assert np.unique(np.array(found.to_list()), axis=1).shape == (3, scenarios)
