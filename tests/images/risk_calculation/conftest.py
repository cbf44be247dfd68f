"""Positions and scenario sets to calculate with."""

# ruff: noqa: PLR0913 - a position has as many fields as it has

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

PROJECT = Path(__file__).parents[3]
for folder in ("risk-calculation", "data-ingestion"):
    sys.path.insert(0, str(PROJECT / "images" / folder))

from data_ingestion.columns import POSITION_SCHEMA  # noqa: E402 - found by now
from risk_calculation.market import market  # noqa: E402
from risk_calculation.shard import figures  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from risk_calculation.market import Market

TODAY = date(2026, 1, 30)

Position = dict[str, Any]
Factor = tuple[str, str, str | None, float]
Moves = Mapping[Any, float]
"""Shocks by factor_type and factor_id, and tenor where only one point of a curve moves."""


def equity(book: str, name: str, currency: str, quantity: float) -> Position:
    return {
        "book": book,
        "product_type": "EQUITY",
        "risk_factor": name,
        "currency": currency,
        "quantity": quantity,
    }


def option(
    name: str,
    strike: float,
    maturity: date,
    *,
    kind: str = "C",
    volatility: float = 0.2,
    quantity: float = 1.0,
    currency: str = "USD",
    book: str = "B",
) -> Position:
    return {
        "book": book,
        "product_type": "EQOPT",
        "risk_factor": name,
        "currency": currency,
        "quantity": quantity,
        "strike": strike,
        "option_type": kind,
        "implied_vol": volatility,
        "maturity": maturity,
    }


def bond(
    maturity: date,
    *,
    coupon: float | None = 0.03,
    frequency: int | None = 2,
    quantity: float = 1e6,
    currency: str = "EUR",
    curve: str | None = None,
    book: str = "B",
) -> Position:
    return {
        "book": book,
        "product_type": "BOND",
        "risk_factor": curve or f"{currency}-OIS",
        "currency": currency,
        "quantity": quantity,
        "maturity": maturity,
        "coupon": coupon,
        "coupon_frequency": frequency,
        "curve_id": curve,
    }


def forward(
    pair: str, quantity: float, strike: float, maturity: date, *, book: str = "B"
) -> Position:
    return {
        "book": book,
        "product_type": "FXFWD",
        "risk_factor": pair,
        "currency": pair[:3],
        "currency2": pair[3:],
        "quantity": quantity,
        "strike": strike,
        "maturity": maturity,
    }


def shard(rows: Sequence[Position]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=POSITION_SCHEMA)


FACTORS: list[Factor] = [
    ("EQ", "ACME", None, 50.0),
    ("EQ", "TINY", None, 0.0123),
    ("VOL", "ACME", None, 0.2),
    ("VOL", "TINY", None, 0.4),
    ("FX", "EURUSD", None, 1.1),
    ("FX", "JPYUSD", None, 0.0067),
    ("RATE", "ACME-DIV", None, 0.015),
    ("RATE", "EUR-OIS", "6M", 0.018),
    ("RATE", "EUR-OIS", "2Y", 0.022),
    ("RATE", "EUR-OIS", "10Y", 0.027),
    ("RATE", "EUR-GOV", "1Y", 0.025),
    ("RATE", "EUR-GOV", "30Y", 0.03),
    ("RATE", "JPY-OIS", "1Y", -0.004),
    ("RATE", "USD-OIS", "1M", 0.043),
    ("RATE", "USD-OIS", "1Y", 0.041),
    ("RATE", "USD-OIS", "5Y", 0.039),
]


def moved(
    *scenarios: Moves, factors: Sequence[Factor] = tuple(FACTORS), as_of: date = TODAY
) -> Market:
    """A market with these scenarios; a factor that one does not name stays where it is."""

    def shock(factor: Factor, moves: Moves) -> float:
        kind, name, tenor, _ = factor
        stays = 0.0 if kind == "RATE" else 1.0
        return moves.get((kind, name, tenor or ""), moves.get((kind, name), stays))

    rows = [(*factor, [shock(factor, moves) for moves in scenarios]) for factor in factors]
    frame = pl.DataFrame(
        rows, schema=["factor_type", "factor_id", "tenor", "value", "shocks"], orient="row"
    ).cast({"tenor": pl.String, "shocks": pl.List(pl.Float64)})
    return market(frame, len(scenarios), "USD", as_of)


def calculated(
    rows: Sequence[Position], given: Market | None = None, threads: int | None = None
) -> pl.DataFrame:
    return figures(shard(rows), given or moved({}), threads)


def values(
    table: pl.DataFrame, measure: str, book: str = "B", factor: str | None = None
) -> list[float]:
    """A book's values of a measure, in the table's order."""
    rows = table.filter((pl.col("measure") == measure) & (pl.col("book") == book))
    if factor is not None:
        rows = rows.filter(pl.col("factor_id") == factor)
    return rows["value"].to_list()
