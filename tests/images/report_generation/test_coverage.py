"""The tests of a VaR against published numbers, and against scipy's distributions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_generation.coverage import (
    LikelihoodRatio,
    Transitions,
    Zone,
    at_most,
    conditional_coverage,
    independence,
    kupiec,
    transitions,
    zone,
)
from scipy import stats

# MathWorks, documentation of varbacktest.pof, .cci and .cc.
POF = LikelihoodRatio(0.46147, 0.49694)
CCI = LikelihoodRatio(0.25866, 0.61104)
CC = LikelihoodRatio(0.72013, 0.69763)
# Basel Committee on Banking Supervision, Supervisory framework for the use of "backtesting" in
# conjunction with the internal models approach to market risk capital requirements, January 1996,
# table 2: cumulative probability in percent, 250 days at 1%, of 0 to 10 exceptions.
CUMULATIVE = (8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99)


def test_kupiecs_proportion_of_failures_as_published() -> None:
    agrees(kupiec(1043, 57, 0.05), POF)


def test_christoffersens_independence_as_published() -> None:
    agrees(independence(Transitions(n00=932, n01=53, n10=53, n11=4)), CCI)


def test_conditional_coverage_as_published() -> None:
    counts = Transitions(n00=932, n01=53, n10=53, n11=4)
    agrees(conditional_coverage(kupiec(1043, 57, 0.05), independence(counts)), CC)


def agrees(found: LikelihoodRatio, published: LikelihoodRatio) -> None:
    assert found.statistic == pytest.approx(published.statistic, abs=5e-6)
    assert found.p_value == pytest.approx(published.p_value, abs=5e-6)


@pytest.mark.parametrize(("exceptions", "percent"), list(enumerate(CUMULATIVE)))
def test_the_traffic_lights_probabilities_as_published(exceptions: int, percent: float) -> None:
    assert 100 * at_most(250, exceptions, 0.01) == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize(
    ("exceptions", "colour"),
    [
        (0, Zone.GREEN),
        (4, Zone.GREEN),
        (5, Zone.YELLOW),
        (9, Zone.YELLOW),
        (10, Zone.RED),
        (250, Zone.RED),
    ],
)
def test_the_traffic_light_is_yellow_from_5_and_red_from_10(exceptions: int, colour: Zone) -> None:
    assert zone(250, exceptions, 0.01) is colour


def test_transitions_are_counted_from_day_to_day() -> None:
    days = [False, True, True, False, False, False, True]
    assert transitions(days) == Transitions(n00=2, n01=2, n10=1, n11=1)


def test_as_many_exceptions_as_expected_speak_for_the_var() -> None:
    assert kupiec(1000, 10, 0.01) == LikelihoodRatio(0.0, 1.0)


def test_no_exception_at_all_says_nothing_of_their_independence() -> None:
    assert independence(transitions([False] * 250)) == LikelihoodRatio(0.0, 1.0)
    assert kupiec(250, 0, 0.01).statistic == pytest.approx(-500 * math.log(0.99))


def test_exceptions_in_a_row_are_not_independent() -> None:
    assert independence(transitions([True] * 10 + [False] * 240)).p_value < 1e-6


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_kupiec_agrees_with_scipy(counts: tuple[int, int]) -> None:
    days, hits = counts
    found = kupiec(days, hits, 0.025)
    seen = stats.binom.logpmf(hits, days, hits / days)
    expected = max(0.0, 2 * (seen - stats.binom.logpmf(hits, days, 0.025)))
    assert found.statistic == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1), rel=1e-9)


@given(st.floats(0, 200), st.floats(0, 200))
def test_conditional_coverage_has_two_degrees_of_freedom(one: float, other: float) -> None:
    found = conditional_coverage(LikelihoodRatio(one, 0), LikelihoodRatio(other, 0))
    assert found.p_value == pytest.approx(stats.chi2.sf(one + other, 2), rel=1e-9)
