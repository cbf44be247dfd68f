"""What a position must be. Each rule is one polars expression, an id and a sentence.

A rule's expression is true where it is *broken*. A refused row names every rule that it broke.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import EXTRA, POSITION_SCHEMA, RAW_PREFIX, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from data_ingestion.scenarios import ScenarioSet

EQUITY: Final = "EQUITY"
FXFWD: Final = "FXFWD"
PRODUCTS: Final = (EQUITY, FXFWD)

MAX_QUANTITY: Final = 1e12
MAX_PRICE: Final = 1e9
MAX_TEXT: Final = 128
DUPLICATE: Final = "duplicate-id"

_TEXT: Final = tuple(name for name, dtype in POSITION_SCHEMA.items() if dtype == pl.String)
_NUMBERS: Final = tuple(name for name, dtype in POSITION_SCHEMA.items() if dtype.is_numeric())
_DATES: Final = tuple(name for name, dtype in POSITION_SCHEMA.items() if dtype == pl.Date)


@dataclass(frozen=True)
class Rule:
    """One thing that must hold of every position."""

    id: str
    sentence: str
    """What is wrong with a row that breaks it."""
    broken: pl.Expr


def rules(columns: list[str], as_of: date, scenarios: ScenarioSet) -> list[Rule]:
    """Return the rules for a file with these columns, in the order in which reasons are given."""
    return [
        *_readable(columns),
        *_present(),
        *_valid(as_of),
        *_known(scenarios),
        *_fx_forwards(as_of),
        Rule(DUPLICATE, "Its position_id stands on an earlier line.", pl.col(DUPLICATE)),
    ]


def _readable(columns: list[str]) -> Iterator[Rule]:
    """What was read can be what its column holds."""
    if EXTRA in columns:
        yield Rule(
            "too-many-fields",
            "It has more fields than the header; a comma inside a field is not allowed.",
            pl.col(RAW_PREFIX + EXTRA).is_not_null(),
        )
    text = [pl.col(name) for name in _TEXT if name in columns]
    yield Rule(
        "not-utf8",
        "A field holds bytes that are not UTF-8.",
        pl.any_horizontal(column.str.contains("\ufffd", literal=True) for column in text),
    )
    yield Rule(
        "text",
        f"A field holds control characters or more than {MAX_TEXT} bytes.",
        pl.any_horizontal(
            column.str.contains(r"[\x00-\x1f\x7f]") | (column.str.len_bytes() > MAX_TEXT)
            for column in text
        ),
    )
    for name, what in [
        *((name, "a number") for name in _NUMBERS),
        *((name, "a date such as 2026-01-30") for name in _DATES),
    ]:
        if name in columns:
            unread = pl.col(RAW_PREFIX + name).is_not_null() & pl.col(name).is_null()
            yield Rule(f"unreadable-{name}", f"Its {name} is not {what}.", unread)
        if POSITION_SCHEMA[name] == pl.Float64:
            yield Rule(
                f"not-finite-{name}",
                f"Its {name} is infinite or not a number (NaN).",
                ~pl.col(name).is_finite(),
            )


def _present() -> Iterator[Rule]:
    for name in REQUIRED_COLUMNS:
        # What could not be read breaks its own rule above.
        yield Rule(f"missing-{name}", f"Its {name} is empty.", pl.col(RAW_PREFIX + name).is_null())


def _valid(as_of: date) -> Iterator[Rule]:
    yield Rule(
        "as-of",
        f"Its as_of is not {as_of}, the date of this file.",
        pl.col("as_of") != as_of,
    )
    yield Rule(
        "product-type",
        f"Its product_type is not one of {', '.join(PRODUCTS)}.",
        ~pl.col("product_type").is_in(PRODUCTS),
    )
    for name in ("currency", "currency2"):
        yield Rule(
            f"code-{name}",
            f"Its {name} is not an ISO 4217 code such as EUR.",
            ~pl.col(name).str.contains("^[A-Z]{3}$"),
        )
    yield Rule(
        "quantity-range",
        f"Its quantity is beyond ±{MAX_QUANTITY:.0e}.",
        pl.col("quantity").is_finite() & (pl.col("quantity").abs() > MAX_QUANTITY),
    )
    for name in ("price", "strike"):
        yield Rule(
            f"{name}-range",
            f"Its {name} is not above 0 and at most {MAX_PRICE:.0e}.",
            pl.col(name).is_finite() & ((pl.col(name) <= 0) | (pl.col(name) > MAX_PRICE)),
        )


def _known(scenarios: ScenarioSet) -> Iterator[Rule]:
    """Every market value that the position depends on has a complete history."""
    equity = pl.col("product_type") == EQUITY
    factor = pl.col("risk_factor")
    usable = scenarios.equities
    gaps = sorted(scenarios.incomplete)
    yield Rule(
        "unknown-instrument",
        "Its risk_factor is not in the market data as an equity.",
        equity & ~factor.is_in(usable) & ~factor.is_in(gaps),
    )
    yield Rule(
        "factor-history",
        "Its risk_factor lacks values on some dates of the market data.",
        equity & factor.is_in(gaps),
    )
    for name in ("currency", "currency2"):
        yield Rule(
            f"unknown-{name}",
            f"Its {name} has no complete history of FX rates to {scenarios.base_currency}.",
            pl.col(name).str.contains("^[A-Z]{3}$") & ~pl.col(name).is_in(scenarios.currencies),
        )


def _fx_forwards(as_of: date) -> Iterator[Rule]:
    """An FX forward receives `quantity` of currency and pays quantity * strike of currency2."""
    forward = pl.col("product_type") == FXFWD
    for name in ("currency2", "strike", "maturity"):
        yield Rule(
            f"forward-{name}",
            f"It is an FX forward and its {name} is empty.",
            forward & pl.col(name).is_null(),
        )
    yield Rule(
        "forward-expired",
        f"It is an FX forward whose maturity is not after {as_of}.",
        forward & (pl.col("maturity") <= as_of),
    )
    yield Rule(
        "forward-pair",
        "It is an FX forward whose risk_factor is not currency followed by currency2.",
        forward & (pl.col("risk_factor") != pl.concat_str("currency", "currency2")),
    )
    yield Rule(
        "forward-same-currency",
        "It is an FX forward between a currency and itself.",
        forward & (pl.col("currency") == pl.col("currency2")),
    )
