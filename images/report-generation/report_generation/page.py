"""report.html: one file that needs nothing else, for screen, phone and paper, light and dark."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report_generation import charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TEMPLATES: Final = Path(__file__).parent / "templates"
# What the market risk rules of Basel look at: VaR at 99% (1996) and ES at 97.5% (2019).
_VAR_LEVEL: Final = 0.99
_ES_LEVEL: Final = 0.975
_LISTED_FACTORS: Final = 30


def render(summary: Mapping[str, Any], pnl: Sequence[float], sensitivities: pl.DataFrame) -> bytes:
    """Return the page.

    Args:
        summary: of summary.py, with its timings.
        pnl: the portfolio's, one a scenario.
        sensitivities: of fan_in.py.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"amount": amount, "compact": compact, "percent": percent, "axis": axis}
    risk = summary["risk"]
    var_at = _nearest(risk, _VAR_LEVEL)
    es_at = _nearest(risk, _ES_LEVEL)
    marked = {
        f"VaR {percent(risk[var_at]['level'])}": risk[var_at]["var"],
        f"ES {percent(risk[es_at]['level'])}": risk[es_at]["es"],
    }
    components = {book["book"]: book["risk"][es_at]["component_es"] for book in summary["books"]}
    by_factor = (
        sensitivities.group_by("sensitivity", "factor_id", maintain_order=True)
        .agg(pl.col("amount").sum())
        .rows(named=True)
    )
    page = environment.get_template("report.html.j2").render(
        summary=summary,
        title_date=f"{date.fromisoformat(summary['as_of']):%-d %B %Y}",
        var=risk[var_at],
        es=risk[es_at],
        es_at=es_at,
        var_at=var_at,
        histogram=charts.histogram(pnl, marked, risk[var_at]["var"]),
        contributions=charts.contributions(components),
        spans=charts.time_line(summary["timings"]["stages"]),
        factors=sorted(by_factor, key=lambda row: -abs(row["amount"]))[:_LISTED_FACTORS],
        factors_in_all=len(by_factor),
    )
    return page.encode()


def _nearest(risk: Sequence[Mapping[str, Any]], level: float) -> int:
    """Return the place of the configured level that is nearest to one that readers expect."""
    return min(range(len(risk)), key=lambda index: abs(risk[index]["level"] - level))


def amount(value: float) -> str:
    """Return money without its cents: -1234567.8 is -1,234,568 with a true minus."""
    text = f"{value:,.0f}"
    return "0" if text == "-0" else text.replace("-", "\N{MINUS SIGN}")


def compact(value: float) -> str:
    """Return money in three figures: 1234567.8 is 1.23 M."""
    size = abs(value)
    for unit, name in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        # What would round up to 1000 of a unit belongs to the next one.
        if size >= 0.9995 * unit:
            return _three_figures(value / unit) + name
    return _three_figures(value)


def axis(value: float) -> str:
    """Return a round number for an axis: -5000000 is -5 M."""
    number, _, unit = compact(value).partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {unit}".strip()


def _three_figures(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 or value == 0 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def percent(level: float) -> str:
    """Return a level as it is spoken of: 0.975 is 97.5%."""
    return f"{100 * level:.6g}%"
