"""report.html: one file that needs nothing else, for screen, phone and paper, light and dark."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from report_generation import charts, formats
from report_generation.summary import REGULATORY_LEVEL
from report_generation.tables import backtest, risk, run, scenarios, sensitivities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from report_generation.backtest import Backtest
    from report_generation.summary import Results

_TEMPLATES: Final = Path(__file__).parent / "templates"
# What the market risk rules of Basel look at: VaR at 99% (1996) and ES at 97.5% (2019).
_VAR_LEVEL: Final = 0.99
_ES_LEVEL: Final = 0.975
# What a reader takes in; the workbook and sensitivities.csv are complete.
_BARS: Final = 20
_FACTOR_BARS: Final = 8
_ROWS: Final = 200
_FACTOR_ROWS: Final = 40
_DAYS: Final = 500
_SENSITIVITIES: Final = {
    "EQ_DELTA": ("Equity delta", "Change of value per 100% of the share's price"),
    "EQ_GAMMA": ("Equity gamma", "Price squared times the second derivative of value"),
    "EQ_VEGA": ("Equity vega", "Vega times implied volatility"),
    "FX_DELTA": ("Currency delta", "Change of value per 100% of the currency"),
    "GIRR_DELTA": (
        "Interest rate delta",
        "Per point of a curve: change for 1 bp, divided by 0.0001",
    ),
    "DV01": ("DV01", "Change of value when a whole curve rises by 1 bp"),
    "THETA": ("Theta", "Change of value when one calendar day passes"),
}


def render(results: Results) -> bytes:
    """Return the page; the summary of the results has its timings."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("amount", "compact", "percent", "axis", "shown", "sort_value")
    environment.filters |= {name: getattr(formats, name) for name in names}
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    summary = results.summary
    levels = summary["risk"]
    var_at, es_at = nearest(levels, _VAR_LEVEL), nearest(levels, _ES_LEVEL)
    page = environment.get_template("report.html.j2").render(
        script=Markup(script),  # noqa: S704 - this image's own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        summary=summary,
        title_date=f"{date.fromisoformat(summary['as_of']):%-d %B %Y}",
        history=results.blocks.historical,
        var=levels[var_at],
        es=levels[es_at],
        horizon=levels[var_at]["horizons"][-1],
        worst_stress=min(summary["stress"], key=lambda row: row["pnl"], default=None),
        tested=next(
            row for row in summary["backtest"]["levels"] if row["level"] == float(REGULATORY_LEVEL)
        ),
        has_tail=_regulatory(results).has_tail,
        tables=_tables(results, var_at, es_at),
        charts=_charts(results, var_at, es_at),
        groups=_factors(summary["greeks"]),
    )
    return page.encode()


def nearest(levels: Sequence[Mapping[str, Any]], level: float) -> int:
    """Return the place of the configured level that is nearest to one that readers expect."""
    return min(range(len(levels)), key=lambda index: abs(levels[index]["level"] - level))


def _regulatory(results: Results) -> Backtest:
    return next(test for test in results.backtests if test.level == REGULATORY_LEVEL)


def _tables(results: Results, var_at: int, es_at: int) -> dict[str, Any]:
    summary = results.summary
    return {
        "risk": risk.portfolio(summary),
        "worst": scenarios.worst(summary),
        "books": [
            risk.by_book(summary, name, var_at, es_at).largest(_ROWS, by="Component ES")
            for name, _ in risk.simulations(summary)
        ],
        "stress": scenarios.stress(summary),
        "stress_by_book": scenarios.stress_by_book(summary).first(_ROWS),
        "coverage": backtest.coverage(summary),
        "tests": backtest.tests(summary),
        "exceptions": backtest.exceptions(summary).first(_ROWS),
        "days": backtest.days(results.backtests).first(_DAYS),
        "greeks": sensitivities.by_factor(summary).largest(
            _FACTOR_ROWS, by="Amount", within="Sensitivity"
        ),
        "refused": run.refused(summary),
        "gaps": run.gaps(summary).first(_ROWS),
        "stages": run.stages(summary),
    }


def _charts(results: Results, var_at: int, es_at: int) -> dict[str, Any]:
    summary = results.summary
    stress = sorted(
        ((row["name"], row["pnl"]) for row in summary["stress"]), key=lambda item: item[1]
    )
    components = {book["book"]: book["risk"][es_at]["component_es"] for book in summary["books"]}
    tested = _regulatory(results)
    return {
        **_distributions(results, var_at, es_at),
        "contributions": charts.bars(charts.largest(components, _BARS)),
        "stress": charts.bars(stress),
        "days": charts.days(tested) if tested.days else None,
        "spans": charts.time_line(summary["timings"]["stages"]),
    }


def _distributions(results: Results, var_at: int, es_at: int) -> dict[str, Any]:
    """Return a histogram for each simulation, all on one axis so that they can be compared."""
    parts = []
    for name, part in risk.simulations(results.summary):
        block = results.blocks.historical
        if name == risk.MONTE_CARLO and results.blocks.monte_carlo:
            block = results.blocks.monte_carlo
        var, es = part["risk"][var_at], part["risk"][es_at]
        marked = {
            f"VaR {formats.percent(var['level'])}": var["var"],
            f"ES {formats.percent(es['level'])}": es["es"],
        }
        parts.append((name, [-loss for loss in block.of(results.losses)], marked, var["var"]))
    axis = charts.Axis.of(
        value
        for _, pnl, marked, _ in parts
        for value in (min(pnl), max(pnl), *(-loss for loss in marked.values()))
    )
    drawn = [
        (name, len(pnl), charts.histogram(pnl, marked, var, axis))
        for name, pnl, marked, var in parts
    ]
    return {
        "axis": axis,
        "distributions": [
            {
                "name": name,
                "count": count,
                "histogram": histogram,
                "table": risk.bins(f"{name} scenarios by P&L", histogram.bins),
            }
            for name, count, histogram in drawn
        ],
    }


def _factors(greeks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each sensitivity with the bars of its largest factors."""
    amounts: dict[str, dict[str, float]] = {}
    for row in greeks:
        label = " ".join(part for part in (row["factor_id"], row["tenor"]) if part) or "Portfolio"
        amounts.setdefault(row["sensitivity"], {})[label] = row["amount"]
    order = sorted(amounts, key=lambda name: (*_SENSITIVITIES, name).index(name))
    return [
        {
            "title": _SENSITIVITIES.get(name, (name, ""))[0],
            "explained": _SENSITIVITIES.get(name, (name, ""))[1],
            "sensitivity": name,
            "bars": charts.bars(charts.largest(amounts[name], _FACTOR_BARS)),
        }
        for name in order
    ]
