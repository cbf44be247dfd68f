"""What every position must be. Each rule is one polars expression, an id and a sentence.

A rule's expression is true where it is *broken*. A refused row names every rule that it broke.
What the products need besides is in `products`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import MISCOUNTED, POSITION_SCHEMA, RAW_PREFIX, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

MAX_QUANTITY: Final = 1e12
MAX_PRICE: Final = 1e9
MIN_STRIKE: Final = 1e-9
"""Below it, what the spot is of it would be too large to be a number."""
MIN_VOLATILITY: Final = 1e-6
MAX_VOLATILITY: Final = 5.0
MAX_COUPON: Final = 1.0
MAX_TEXT: Final = 128
FREQUENCIES: Final = (0, 1, 2, 4, 12)
OPTION_TYPES: Final = ("C", "P", "CALL", "PUT")
DUPLICATE: Final = "duplicate-id"
ROW_MARKS: Final = (DUPLICATE, MISCOUNTED)
"""What is known of a row besides what it says."""

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
    """Where it is broken."""
    parts: tuple[pl.Expr, ...] = ()
    """If it says the same of several columns: each of them. It is broken where one of these is."""

    @classmethod
    def of_each(cls, rule: str, sentence: str, parts: Iterable[pl.Expr]) -> Rule:
        """Return one that says the same of several columns."""
        each = tuple(parts)
        return cls(rule, sentence, pl.any_horizontal(each), each)


def common_rules(columns: list[str], as_of: date, *, printable: bool) -> Iterator[Rule]:
    """Yield the rules for positions of every product, in the order in which reasons are given.

    Args:
        columns: those that the file has.
        as_of: the file's date.
        printable: whether its text is known to be UTF-8 without control characters.
    """
    yield Rule(DUPLICATE, "Its position_id stands on an earlier line.", pl.col(DUPLICATE))
    if MISCOUNTED in columns:
        yield Rule(
            "field-count",
            "It has more or fewer fields than the header; a comma inside a field is not allowed.",
            pl.col(RAW_PREFIX + MISCOUNTED),
        )
    yield from _text([name for name in _TEXT if name in columns], printable=printable)
    yield from _readable(columns)
    for name in REQUIRED_COLUMNS:
        # What could not be read breaks its own rule above.
        yield Rule(f"missing-{name}", f"Its {name} is empty.", pl.col(RAW_PREFIX + name).is_null())
    yield Rule(
        "as-of", f"Its as_of is not {as_of}, the date of this file.", pl.col("as_of") != as_of
    )
    yield from _ranges()


def _text(columns: list[str], *, printable: bool) -> Iterator[Rule]:
    text = [pl.col(name) for name in columns]
    if not printable:
        yield Rule.of_each(
            "not-utf8",
            "A field holds bytes that are not UTF-8.",
            (column.str.contains("\ufffd", literal=True) for column in text),
        )
        yield Rule.of_each(
            "control-character",
            "A field holds a control character.",
            (column.str.contains(r"\p{Cc}") for column in text),
        )
    yield Rule.of_each(
        "too-long",
        f"A field holds more than {MAX_TEXT} bytes of text.",
        (column.str.len_bytes() > MAX_TEXT for column in text),
    )


def _readable(columns: list[str]) -> Iterator[Rule]:
    """What was read can be what its column holds."""
    for name, what in [
        *((name, "a number") for name in _NUMBERS if name != "coupon_frequency"),
        ("coupon_frequency", "a whole number"),
        *((name, "a date such as 2026-01-30") for name in _DATES),
    ]:
        if name not in columns:
            continue
        unread = pl.col(RAW_PREFIX + name).is_not_null() & pl.col(name).is_null()
        yield Rule(f"unreadable-{name}", f"Its {name} is not {what}.", unread)
        if POSITION_SCHEMA[name] == pl.Float64:
            yield Rule(
                f"not-finite-{name}",
                f"Its {name} is infinite or not a number (NaN).",
                ~pl.col(name).is_finite(),
            )


def _ranges() -> Iterator[Rule]:
    # What is not finite breaks its own rule.
    quantity = pl.col("quantity")
    yield Rule(
        "quantity-range",
        f"Its quantity is beyond ±{MAX_QUANTITY:.0e}.",
        quantity.is_finite() & (quantity.abs() > MAX_QUANTITY),
    )
    for name, least, most in (
        # The value of a forward, a bond's yield: whatever a desk keeps there may be negative.
        ("price", -MAX_PRICE, MAX_PRICE),
        ("strike", MIN_STRIKE, MAX_PRICE),
        ("implied_vol", MIN_VOLATILITY, MAX_VOLATILITY),
    ):
        value = pl.col(name)
        yield Rule(
            f"{name}-range",
            f"Its {name} is not from {least:g} to {most:g}.",
            value.is_finite() & ~value.is_between(least, most),
        )
    yield Rule(
        "coupon-range",
        f"Its coupon is not from 0 to {MAX_COUPON:g}; a rate of 3% is 0.03.",
        pl.col("coupon").is_finite() & ~pl.col("coupon").is_between(0, MAX_COUPON),
    )
    yield Rule(
        "coupon_frequency-range",
        "Its coupon_frequency is not 0 (none), 1, 2, 4 or 12 coupons a year.",
        pl.all_horizontal(pl.col("coupon_frequency") != number for number in FREQUENCIES),
    )
    yield Rule(
        "option_type-range",
        f"Its option_type is not one of {', '.join(OPTION_TYPES)}.",
        pl.all_horizontal(pl.col("option_type") != name for name in OPTION_TYPES),
    )
