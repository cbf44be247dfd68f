from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from report_generation import formats, page

from tests.images.report_generation.conftest import NASTY, Run, make_run

if TYPE_CHECKING:
    from report_generation.summary import Results


@pytest.fixture(scope="module")
def html(shared_results: Results) -> str:
    return page.render(shared_results).decode()


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_it_shows_the_headline_figures(html: str, summary: dict[str, Any]) -> None:
    text = text_of(html)
    var, es = summary["risk"][2], summary["risk"][1]
    assert f"VaR 99%, 1 day {formats.compact(var['var'])} {formats.amount(var['var'])}" in text
    ten_days = formats.amount(var["horizons"][1]["var"])
    assert re.search(rf"VaR 99%, 10 days \S+ \w {ten_days}", text)
    assert formats.amount(es["es"]) in text
    assert "30 January 2026" in text
    assert "Backtest at 99% Green" in text
    assert "1,000 rows in 2 shards, 12 of them refused" in text


def test_what_users_wrote_is_text_and_no_markup(html: str) -> None:
    assert "&lt;script&gt;" in html
    assert NASTY not in html
    assert "positions/a&amp;b.csv" in html
    assert html.count("<script") == 1


def test_it_names_nothing_to_load(html: str) -> None:
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", html)
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_chart_has_its_numbers(html: str, summary: dict[str, Any]) -> None:
    text = text_of(html)
    for title in (
        "Historical scenarios by P&amp;L",
        "Monte Carlo scenarios by P&amp;L",
        "Books, historical simulation",
        "Books, Monte Carlo simulation",
        "Stress scenarios by book",
        "Tested days",
        "Sensitivities by factor",
        "Stages",
    ):
        assert title in text
    for row in summary["stress"]:
        assert f"{row['name']} {formats.amount(row['pnl'])}" in text


def test_a_long_table_says_what_it_leaves_out() -> None:
    books = tuple(f"Book {number:03d}" for number in range(230))
    run: Run = make_run(days=260, draws=0, stress=(), books=books)
    text = text_of(page.render(run.results()).decode())
    assert "200 of 230; report.xlsx has all" in text
    assert "210 others" in text


def test_a_run_with_only_a_history_has_no_empty_sections() -> None:
    run = make_run(days=250, draws=0, stress=(), books=("Only",))
    run.manifest["refused_by_rule"] = {}
    run.manifest["factors_without_history"] = {}
    text = text_of(page.render(run.results()).decode())
    assert "No day could be tested" in text
    for absent in ("Monte Carlo", "Stress scenario", "Refused rows", "Exceptions by level"):
        assert absent not in text
    assert "Worst day of the history" in text


@pytest.mark.parametrize(
    ("window", "why"), [("150", "110 days tested, 250 needed"), ("50", "the window is too short")]
)
def test_without_a_zone_the_headline_says_why(window: str, why: str) -> None:
    results = make_run(days=260, draws=0, stress=()).results({"BACKTEST_WINDOW": window})
    assert f"Backtest at 99% No zone {why}" in text_of(page.render(results).decode())
