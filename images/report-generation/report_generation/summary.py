"""Everything that a report says, as one dictionary: summary.json, and what page and workbook show.

summary.schema.json beside this module describes every field. All but `timings` is the same
whenever the run is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from report_generation.measures import added, component_es, tail, total

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

SCHEMA_VERSION: Final = 1
_WORST_SCENARIOS: Final = 10


def summarize(
    manifest: Mapping[str, Any],
    losses_by_book: Mapping[str, Sequence[Decimal]],
    present_values: Mapping[str, Decimal],
    levels: Sequence[Decimal],
) -> dict[str, Any]:
    """Return the summary without its timings.

    Args:
        manifest: the run's.
        losses_by_book: a loss for every scenario.
        present_values: by book.
        levels: of VaR and ES, e.g. 0.99.
    """
    losses = added(losses_by_book)
    tails = [tail(losses, level) for level in levels]
    components = [component_es(losses_by_book, portfolio) for portfolio in tails]
    dates = manifest["scenarios"]["dates"]
    worst = sorted(range(len(losses)), key=lambda scenario: (-losses[scenario], scenario))
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": manifest["run_id"],
        "as_of": manifest["as_of"],
        "base_currency": manifest["base_currency"],
        "input": manifest["input"],
        "market_data": manifest["market_data"],
        "rows_in": manifest["rows_in"],
        "rows_refused": manifest["rows_refused"],
        "refused_by_rule": manifest["refused_by_rule"],
        "factors_without_history": manifest["factors_without_history"],
        "shards": len(manifest["shards"]),
        "scenarios": {
            "kind": manifest["scenarios"]["kind"],
            "count": manifest["scenarios"]["count"],
            "first": dates[0],
            "last": dates[-1],
            "sha256": manifest["scenarios"]["sha256"],
        },
        "present_value": _amount(total(present_values.values())),
        "risk": [
            {
                "level": float(portfolio.level),
                "var": _amount(portfolio.var),
                "es": _amount(portfolio.es),
                "rank": portfolio.rank,
            }
            for portfolio in tails
        ],
        "books": [
            {
                "book": book,
                "present_value": _amount(present_values[book]),
                "risk": [
                    _book_risk(own, level, contributions[book])
                    for level, contributions in zip(levels, components, strict=True)
                ],
            }
            for book, own in losses_by_book.items()
        ],
        "worst_scenarios": [
            {"date": dates[scenario], "pnl": _amount(-losses[scenario])}
            for scenario in worst[:_WORST_SCENARIOS]
        ],
    }


def _book_risk(losses: Sequence[Decimal], level: Decimal, component: Decimal) -> dict[str, float]:
    own = tail(losses, level)
    return {
        "level": float(level),
        "var": _amount(own.var),
        "es": _amount(own.es),
        "component_es": _amount(component),
    }


def _amount(value: Decimal) -> float:
    """Return an amount of money to six places, and never a negative zero."""
    return float(round(value, 6)) + 0.0
