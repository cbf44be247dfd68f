from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_generation import charts
from report_generation.backtest import backtest

amounts = st.floats(-1e12, 1e12)


@given(st.lists(amounts, min_size=1, max_size=200), amounts)
def test_a_histogram_shows_every_scenario_and_every_mark(pnl: list[float], var: float) -> None:
    axis = charts.Axis.of([*pnl, -var, -var - 1])
    chart = charts.histogram(pnl, {"VaR": var, "ES": var + 1}, var, axis)
    assert sum(each.count for each in chart.bins) == len(pnl)
    assert max(each.height for each in chart.bins) == 100
    assert all(0 <= mark.at <= 100 for mark in [*chart.marks, *axis.ticks])
    assert 2 <= len(axis.ticks) <= 13
    assert [mark.at for mark in chart.marks] == sorted(mark.at for mark in chart.marks)


def test_bars_beyond_var_are_the_tail() -> None:
    pnl = [float(value) for value in range(-50, 51)]
    chart = charts.histogram(pnl, {"VaR": 40.0}, 40.0, charts.Axis.of(pnl))
    tail = [each for each in chart.bins if each.in_tail]
    assert sum(each.count for each in tail) == pytest.approx(10, abs=2)
    assert all(each.low < -38 for each in tail)


@given(st.lists(st.tuples(st.text(max_size=5), amounts)))
def test_bars_stand_on_either_side_of_one_zero(items: list[tuple[str, float]]) -> None:
    rows = charts.bars(items)
    assert [(row.name, row.amount) for row in rows] == items
    for row in rows:
        end = row.x + row.width
        assert -1e-6 <= row.x <= end <= 100 + 1e-6
        near = row.x if row.amount >= 0 else end
        assert near == pytest.approx(row.zero, abs=1e-6)


def test_what_is_too_much_to_show_becomes_one_bar() -> None:
    found = charts.largest({"a": 1.0, "b": -5.0, "c": 3.0, "d": -0.5}, 2)
    assert found == [("c", 3.0), ("b", -5.0), ("2 others", 0.5)]


def test_tested_days_are_drawn_from_zero_and_exceptions_at_their_loss() -> None:
    dates = [f"{2024 + number // 30}-01-{number % 30 + 1:02d}" for number in range(60)]
    losses = [float(number % 7) for number in range(59)] + [20.0]
    chart = charts.days(backtest(dates, losses, [Decimal("0.95")], 20)[0])
    assert chart.pnl.count("M") == 40
    assert chart.var.count("H") == 40
    assert [(left, day) for left, _, day in chart.exceptions] == [(98.75, dates[-1])]
    assert chart.exceptions[0][1] > 90  # percent from the top: the largest loss is at the bottom
    assert [mark.label for mark in chart.years] == ["2024", "2025"]
    places = [float(number) for number in re.findall(r"\d+\.\d+", chart.pnl + chart.var)]
    assert all(0 <= place <= 100 for place in places)


def test_stages_lie_on_one_time_line_in_the_order_of_their_start() -> None:
    def at(seconds: int) -> str:
        return f"2026-01-30T20:00:{seconds:02d}.000+00:00"

    spans = charts.time_line(
        {
            "second": {"started_at": at(5), "finished_at": at(10)},
            "first": {"started_at": at(0), "finished_at": at(4)},
            "running": {"started_at": at(9)},
        }
    )
    assert [(span.name, span.left, span.width, span.seconds) for span in spans] == [
        ("first", 0, 40, 4),
        ("second", 50, 50, 5),
    ]
    assert charts.time_line({}) == []
