from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from report_generation import page

from tests.images.report_generation.conftest import NASTY

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture
def html(summary: dict[str, Any], sensitivities: pl.DataFrame) -> str:
    pnl = [float(number % 97 - 48) * 1e4 for number in range(300)]
    return page.render(summary, pnl, sensitivities).decode()


def test_it_shows_the_headline_figures(html: str, summary: dict[str, Any]) -> None:
    text = re.sub(r"<[^>]+>", " ", html)
    assert page.amount(summary["risk"][2]["var"]) in text
    assert page.amount(summary["risk"][1]["es"]) in text
    assert "30 January 2026" in text
    assert "VaR 99%" in text
    assert "of 1,000 rows in" in text


def test_what_users_wrote_is_text_and_no_markup(html: str) -> None:
    assert "&lt;script&gt;" in html
    assert NASTY not in html
    assert "positions/a&amp;b.csv" in html
    assert "<script" not in html


def test_it_names_nothing_to_load(html: str) -> None:
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", html)
    assert not re.search(r"url\(|@import|https?://", html)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (-0.2, "0"), (1234567.8, "1,234,568"), (-12.5, "\N{MINUS SIGN}12")],
)
def test_amounts(value: float, shown: str) -> None:
    assert page.amount(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (9.994, "9.99"),
        (99.95, "100"),
        (1234567.8, "1.23 M"),
        (-45_600, "\N{MINUS SIGN}45.6 k"),
        (999_600, "1.00 M"),
        (7.8e9, "7.80 B"),
        (1.5e12, "1.50 T"),
    ],
)
def test_compact_amounts(value: float, shown: str) -> None:
    assert page.compact(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (-5e6, "\N{MINUS SIGN}5 M"), (2.5e3, "2.5 k"), (200.0, "200")]
)
def test_axis_labels(value: float, shown: str) -> None:
    assert page.axis(value) == shown
