"""Everything that a report says, as one dictionary: summary.json, and what page and workbook show.

summary.schema.json beside this module describes every field. All but `timings` is the same
whenever the run is repeated.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from report_generation.backtest import backtest
from report_generation.measures import added, component_es, incremental_var, over_days, tails
from report_generation.scenarios import Blocks, blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from report_generation.backtest import Backtest, Day
    from report_generation.fan_in import Figures
    from report_generation.measures import Tail
    from report_generation.options import Options
    from report_generation.scenarios import Block

SCHEMA_VERSION: Final = 2
REGULATORY_LEVEL: Final = Decimal("0.99")
"""The Basel Committee's level of a backtest, tested whatever levels are configured."""
_WORST_SCENARIOS: Final = 10
_FACTS: Final = (
    "run_id",
    "as_of",
    "base_currency",
    "input",
    "market_data",
    "rows_in",
    "rows_refused",
    "refused_by_rule",
    "rules",
    "factors_without_history",
)
"""What the manifest says and the summary repeats."""


@dataclass(frozen=True)
class Results:
    """What page and workbook are drawn from."""

    summary: dict[str, Any]
    blocks: Blocks
    losses: Sequence[float]
    """The portfolio's, in every scenario of every block."""
    losses_by_book: Mapping[str, Sequence[float]]
    backtests: Sequence[Backtest]
    """With every tested day, where the summary has the exceptions only."""
    sensitivities: pl.DataFrame


def summarize(manifest: Mapping[str, Any], figures: Figures, options: Options) -> Results:
    """Return a run's results; the summary is without its timings."""
    parts = blocks(manifest)
    losses = added(figures.losses)
    risk, by_book = _risk(parts.historical, losses, figures.losses, options)
    historical = parts.historical.of(losses)
    tests = backtest(
        parts.historical.labels,
        historical,
        sorted({*options.levels, REGULATORY_LEVEL}),
        options.window,
    )
    present_values = figures.present_values
    sensitivities = figures.sensitivities
    summary = {
        "schema_version": SCHEMA_VERSION,
        **{name: manifest[name] for name in _FACTS},
        "shards": len(manifest["shards"]),
        "scenarios": {
            "count": manifest["scenarios"]["count"],
            "sha256": manifest["scenarios"]["sha256"],
            "blocks": [dict(block.description) for block in parts.all],
        },
        "horizons": {"days": list(options.horizons), "scaling": "square-root-of-time"},
        "present_value": _amount(math.fsum(present_values.values())),
        "risk": risk,
        "books": [
            {
                "book": book,
                "positions": manifest["books"][book]["rows"],
                "present_value": _amount(present_values[book]),
                "risk": own,
            }
            for book, own in by_book.items()
        ],
        "worst_scenarios": _worst(parts.historical, losses, figures.losses),
        "monte_carlo": _monte_carlo(parts.monte_carlo, losses, figures.losses, options),
        "stress": _stress(parts.stress, losses, figures.losses),
        "backtest": {"window": options.window, "levels": [_tested(test) for test in tests]},
        "greeks": _by_factor(sensitivities),
    }
    return Results(summary, parts, losses, figures.losses, tests, sensitivities)


def _risk(
    block: Block,
    losses: Sequence[float],
    losses_by_book: Mapping[str, Sequence[float]],
    options: Options,
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Return the portfolio's risk at every level, and every book's."""
    whole = block.of(losses)
    books = {book: block.of(own) for book, own in losses_by_book.items()}
    portfolio = tails(whole, options.levels)
    components = [component_es(books, tail) for tail in portfolio]
    by_book = {}
    for book, own in books.items():
        alone = tails(own, options.levels)
        increments = incremental_var(whole, own, portfolio)
        by_book[book] = [
            {
                **_measures(tail, options.horizons),
                "component_es": _amount(component[book]),
                "incremental_var": _amount(increment),
            }
            for tail, component, increment in zip(alone, components, increments, strict=True)
        ]
    return [_measures(tail, options.horizons) for tail in portfolio], by_book


def _measures(tail: Tail, horizons: Sequence[int]) -> dict[str, Any]:
    return {
        "level": float(tail.level),
        "rank": tail.rank,
        "var": _amount(tail.var),
        "es": _amount(tail.es),
        "horizons": [
            {
                "days": days,
                "var": _amount(over_days(tail.var, days)),
                "es": _amount(over_days(tail.es, days)),
            }
            for days in horizons
        ],
    }


def _worst(
    block: Block, losses: Sequence[float], losses_by_book: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    own = block.of(losses)
    order = sorted(range(block.count), key=own.__getitem__, reverse=True)
    return [
        {"date": block.labels[place], **_pnl(block.start + place, losses, losses_by_book)}
        for place in order[:_WORST_SCENARIOS]
    ]


def _stress(
    block: Block | None, losses: Sequence[float], losses_by_book: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    if block is None:
        return []
    return [
        {"name": name, **_pnl(block.start + place, losses, losses_by_book)}
        for place, name in enumerate(block.labels)
    ]


def _pnl(
    scenario: int, losses: Sequence[float], losses_by_book: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    return {
        "pnl": _amount(-losses[scenario]),
        "books": [
            {"book": book, "pnl": _amount(-own[scenario])} for book, own in losses_by_book.items()
        ],
    }


def _monte_carlo(
    block: Block | None,
    losses: Sequence[float],
    losses_by_book: Mapping[str, Sequence[float]],
    options: Options,
) -> dict[str, Any] | None:
    if block is None:
        return None
    risk, by_book = _risk(block, losses, losses_by_book, options)
    return {
        "risk": risk,
        "books": [{"book": book, "risk": own} for book, own in by_book.items()],
    }


def _tested(test: Backtest) -> dict[str, Any]:
    light = test.traffic_light
    return {
        "level": float(test.level),
        "days": len(test.days),
        "first": test.days[0].date if test.days else None,
        "last": test.days[-1].date if test.days else None,
        "expected": round(test.expected, 6),
        "exceptions": [_day(day) for day in test.exceptions],
        "tests": asdict(test.tests) if test.tests else None,
        "traffic_light": asdict(light) if light else None,
        "note": test.note,
    }


def _day(day: Day) -> dict[str, Any]:
    return {"date": day.date, "pnl": _amount(day.pnl), "var": _amount(day.var)}


def _by_factor(sensitivities: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the sum over books of each sensitivity to each factor, sorted."""
    amounts: dict[tuple[str, str | None, str | None], list[float]] = {}
    rows = sensitivities.select("sensitivity", "factor_id", "tenor", "amount").iter_rows()
    for sensitivity, factor_id, tenor, amount in rows:
        amounts.setdefault((sensitivity, factor_id, tenor), []).append(amount)
    return [
        {
            "sensitivity": sensitivity,
            "factor_id": factor_id,
            "tenor": tenor,
            "amount": _amount(math.fsum(own)),
        }
        for (sensitivity, factor_id, tenor), own in sorted(
            amounts.items(), key=lambda item: tuple(part or "" for part in item[0])
        )
    ]


def _amount(value: float) -> float:
    """Return an amount of money to six places, and never a negative zero."""
    return round(value, 6) + 0.0
