from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_generation.charts import contributions, histogram, time_line

amounts = st.floats(-1e12, 1e12)


@given(st.lists(amounts, min_size=1, max_size=200), amounts)
def test_a_histogram_shows_every_scenario_and_every_mark(pnl: list[float], var: float) -> None:
    chart = histogram(pnl, {"VaR": var, "ES": var + 1}, var)
    assert sum(bar.count for bar in chart.bars) == len(pnl)
    assert max(bar.height for bar in chart.bars) == 100
    assert all(0 <= mark.x <= 100 for mark in [*chart.marks, *chart.ticks])
    assert 2 <= len(chart.ticks) <= 12
    assert [mark.x for mark in chart.marks] == sorted(mark.x for mark in chart.marks)


def test_bars_beyond_var_are_the_tail() -> None:
    chart = histogram([float(value) for value in range(-50, 51)], {"VaR": 40.0}, 40.0)
    tail = [bar for bar in chart.bars if bar.in_tail]
    assert sum(bar.count for bar in tail) == pytest.approx(10, abs=2)
    assert all(bar.low < -38 for bar in tail)


@given(st.dictionaries(st.text(max_size=5), amounts, min_size=1))
def test_contributions_stand_on_either_side_of_one_zero(books: dict[str, float]) -> None:
    rows = contributions(books)
    assert [row["amount"] for row in rows] == sorted(books.values(), reverse=True)
    for row in rows:
        end = row["x"] + row["width"]
        assert -1e-6 <= row["x"] <= end <= 100 + 1e-6
        near = row["x"] if row["amount"] >= 0 else end
        assert near == pytest.approx(row["zero"], abs=1e-6)


def test_stages_lie_on_one_time_line_in_the_order_of_their_start() -> None:
    def at(seconds: int) -> str:
        return f"2026-01-30T20:00:{seconds:02d}.000+00:00"

    spans = time_line(
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
    assert time_line({}) == []
