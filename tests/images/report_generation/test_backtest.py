from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_generation.backtest import Backtest, backtest
from report_generation.coverage import Zone

LEVEL = Decimal("0.99")


def dates(count: int) -> list[str]:
    return [(date(2024, 1, 1) + timedelta(days=number)).isoformat() for number in range(count)]


def one_level(losses: list[float], window: int = 250, level: Decimal = LEVEL) -> Backtest:
    return backtest(dates(len(losses)), losses, [level], window)[0]


@settings(max_examples=25)
@given(st.lists(st.floats(-1e9, 1e9), min_size=21, max_size=60))
def test_each_days_var_is_that_of_the_days_before_it(losses: list[float]) -> None:
    found = one_level(losses, window=20, level=Decimal("0.95"))
    assert [day.date for day in found.days] == dates(len(losses))[20:]
    for place, day in enumerate(found.days, start=20):
        assert day.var == np.max(losses[place - 20 : place])
        assert day.pnl == -losses[place]
        assert day.is_exception == (losses[place] > day.var)


def test_days_are_taken_in_the_order_of_their_dates() -> None:
    losses = [float(number % 17) for number in range(40)]
    backwards = backtest(dates(40)[::-1], losses[::-1], [LEVEL], 20)
    assert backwards == backtest(dates(40), losses, [LEVEL], 20)


def test_a_loss_as_large_as_var_is_no_exception() -> None:
    assert not one_level([1.0] * 300).exceptions


def test_exceptions_are_counted_and_tested() -> None:
    # The largest loss so far, again and again: all of the last 6 days are exceptions.
    losses = [float(number % 50) for number in range(600)] + [100.0 + day for day in range(6)]
    found = one_level(losses)
    assert [day.date for day in found.exceptions] == dates(606)[-6:]
    assert found.expected == pytest.approx(3.56)
    assert found.tests
    assert found.tests.transitions.n11 == 5
    assert found.tests.independence.p_value < 0.001
    assert found.traffic_light
    assert found.traffic_light.exceptions == 6
    assert found.traffic_light.zone is Zone.YELLOW
    assert found.note is None


def test_the_traffic_light_looks_at_the_latest_250_days() -> None:
    old = [float(number % 50) for number in range(250)] + [100.0 + day for day in range(12)]
    found = one_level(old + [0.0] * 250)
    assert len(found.exceptions) == 12
    assert found.traffic_light
    assert (found.traffic_light.exceptions, found.traffic_light.zone) == (0, Zone.GREEN)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (250, "No day could be tested: the history is not longer than the window of 250 days."),
        (300, "Too few days for a test: of 50, less than one is expected beyond a VaR at 99%."),
        (400, "Too few days for the traffic light: 150 of 250."),
    ],
)
def test_with_too_few_days_it_says_so(days: int, said: str) -> None:
    found = one_level([float(number % 50) for number in range(days)])
    assert found.note == said
    assert found.traffic_light is None
    assert (found.tests is None) == (days < 350)


def test_a_window_without_a_day_beyond_its_var_is_not_judged() -> None:
    found = one_level([float(number % 50) for number in range(400)], window=99)
    assert len(found.days) == 301
    assert (found.tests, found.traffic_light) == (None, None)
    assert found.note == (
        "A window of 99 days is too short for this level: its VaR is the worst of them. Set "
        "BACKTEST_WINDOW to 100 or more."
    )
    assert one_level([float(number % 50) for number in range(400)], window=100).traffic_light
