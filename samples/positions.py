"""Invented positions of every product; about one in a hundred has something wrong."""

from __future__ import annotations

import itertools
import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from samples.market import CURRENCIES, EQUITIES

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

COLUMNS: Final = (
    "position_id",
    "as_of",
    "book",
    "counterparty",
    "product_type",
    "risk_factor",
    "currency",
    "quantity",
    "price",
    "strike",
    "option_type",
    "implied_vol",
    "maturity",
    "coupon",
    "coupon_frequency",
    "curve_id",
    "currency2",
)
BOOKS: Final = {
    "EQUITY": ("EQ-EUROPE", "EQ-AMERICAS", "EQ-ASIA", "EQ-INDEX-ARB", "PROP"),
    "EQOPT": ("EQ-VOLATILITY", "EQ-STRUCTURED", "EQ-INDEX-ARB", "PROP"),
    "BOND": ("RATES-GOV", "RATES-CREDIT", "TREASURY", "PROP"),
    "FXFWD": ("FX-G10", "FX-CORPORATE", "TREASURY", "PROP"),
}
_SHARES: Final = {"EQUITY": 0.40, "EQOPT": 0.25, "BOND": 0.15, "FXFWD": 0.20}
_COUNTERPARTIES: Final = tuple(f"CP{number:03d}" for number in range(1, 41))

BAD_SHARE: Final = 0.01
TOO_MANY_FIELDS: Final[dict[str, str]] = {}
# What a bad row says instead of something right: one of any product, and of each.
MISTAKES: Final = (
    {"risk_factor": "UNLISTED-CO"},
    {"quantity": "n/a"},
    {"currency": ""},
    {"as_of": "30.01.2026"},
    {"position_id": "P00000001"},
    {"quantity": "NaN"},
    {"product_type": "CRYPTO"},
    TOO_MANY_FIELDS,
)
MISTAKES_OF: Final[dict[str, tuple[dict[str, str], ...]]] = {
    # An option whose product was mistyped.
    "EQUITY": ({"option_type": "C", "strike": "100", "maturity": "2026-06-19"},),
    "EQOPT": (
        {"strike": ""},
        {"option_type": "STRADDLE"},
        {"implied_vol": "0"},
        # In percent.
        {"implied_vol": "27.5"},
        # It expired on the day itself.
        {"maturity": "2026-01-30"},
    ),
    "BOND": (
        {"maturity": "perpetual"},
        {"coupon_frequency": "3"},
        # In percent.
        {"coupon": "4.25"},
        {"risk_factor": "EUR-CORP", "curve_id": "EUR-CORP"},
        # A zero bond that was given a coupon.
        {"coupon": "0.0425", "coupon_frequency": "0"},
        # A dollar bond, booked in euros.
        {"currency": "EUR", "risk_factor": "USD-GOV", "curve_id": "USD-GOV"},
    ),
    "FXFWD": (
        # The code that ISO 4217 keeps for tests, of no currency; and the forward fell due long ago.
        {"currency2": "XTS", "maturity": "2020-02-28"},
        {"strike": "-1.1"},
    ),
}


def rows(source: random.Random, count: int, as_of: date) -> Iterator[list[str]]:
    """Yield `count` positions in the order of `COLUMNS`."""
    makers = {"EQUITY": _equity, "EQOPT": _option, "BOND": _bond, "FXFWD": _fx_forward}
    products, shares = list(_SHARES), list(_SHARES.values())
    # In turn, so that a few thousand rows have every mistake.
    mistakes = {name: itertools.cycle((*MISTAKES_OF[name], *MISTAKES)) for name in products}
    for number in range(1, count + 1):
        (product,) = source.choices(products, shares)
        row = dict.fromkeys(COLUMNS, "") | {
            "position_id": f"P{number:08d}",
            "as_of": as_of.isoformat(),
            "book": source.choice(BOOKS[product]),
            "counterparty": source.choice(_COUNTERPARTIES),
            "product_type": product,
            **makers[product](source, as_of),
        }
        fields = [row[name] for name in COLUMNS]
        yield _spoiled(fields, next(mistakes[product])) if source.random() < BAD_SHARE else fields


def _spoiled(fields: list[str], mistake: dict[str, str]) -> list[str]:
    if mistake is TOO_MANY_FIELDS:
        return [*fields, "one field too many"]
    return [mistake.get(name, value) for name, value in zip(COLUMNS, fields, strict=True)]


def _amount(source: random.Random, mean: float, spread: float, long: float) -> float:
    """Return an amount of the base currency, mostly near `mean`; above 0 in `long` of all cases."""
    size = source.lognormvariate(math.log(mean), spread)
    return size if source.random() < long else -size


def _equity(source: random.Random, _: date) -> dict[str, str]:
    name = source.choice(tuple(EQUITIES))
    equity = EQUITIES[name]
    in_base = equity.price * CURRENCIES[equity.currency].price
    return {
        "risk_factor": name,
        "currency": equity.currency,
        "quantity": str(round(_amount(source, 100_000, 1.2, long=0.7) / in_base)),
        "price": f"{equity.price * source.uniform(0.9, 1.1):.2f}",
    }


def _option(source: random.Random, as_of: date) -> dict[str, str]:
    name = source.choice(tuple(EQUITIES))
    equity = EQUITIES[name]
    moneyness = source.gauss(0, 0.12)
    in_base = equity.price * CURRENCIES[equity.currency].price
    lots = round(_amount(source, 250_000, 1.1, long=0.45) / in_base / 100) or 1
    smile = equity.volatility - 0.12 * moneyness + 0.3 * moneyness**2
    kind = source.choice(("C", "P"))
    return {
        "risk_factor": name,
        "currency": equity.currency,
        "quantity": str(100 * lots),
        "strike": f"{float(f'{equity.price * math.exp(moneyness):.3g}'):g}",
        # Some systems write the word.
        "option_type": {"C": "CALL", "P": "PUT"}[kind] if source.random() < 0.1 else kind,
        "implied_vol": f"{max(smile + 0.01 * source.gauss(0, 1), 0.05):.4f}",
        "maturity": _later(source, as_of, 3, 730),
    }


def _bond(source: random.Random, as_of: date) -> dict[str, str]:
    code = source.choices(tuple(CURRENCIES), (5, 5, 3, 2, 1))[0]
    currency = CURRENCIES[code]
    # The government's own curve where there is one, or else the overnight one, unsaid.
    government = currency.spread is not None and source.random() < 0.8
    zero = source.random() < 0.1
    coupon = max(round(8 * 100 * (currency.rate + source.uniform(-0.01, 0.015))), 1) / 800
    face = _amount(source, 800_000, 0.9, long=0.8) / currency.price
    return {
        "risk_factor": f"{code}-GOV" if government else f"{code}-OIS",
        "currency": code,
        "quantity": str(round(face, -4) or 10_000.0),
        "maturity": _later(source, as_of, 60, 30 * 365),
        "coupon": "0" if zero else f"{coupon:.5f}",
        "coupon_frequency": "0" if zero else str(currency.coupons),
        "curve_id": f"{code}-GOV" if government else "",
    }


def _fx_forward(source: random.Random, as_of: date) -> dict[str, str]:
    first, second = source.sample(tuple(CURRENCIES), 2)
    amount = _amount(source, 440_000, 1.1, long=0.5) / CURRENCIES[first].price
    rate = CURRENCIES[first].price / CURRENCIES[second].price
    return {
        "risk_factor": first + second,
        "currency": first,
        "currency2": second,
        "quantity": str(round(amount, -3) or 1000.0),
        "strike": f"{rate * source.uniform(0.97, 1.03):.6f}",
        "maturity": _later(source, as_of, 2, 540),
        "curve_id": f"{first}-OIS",
    }


def _later(source: random.Random, as_of: date, first: int, last: int) -> str:
    return (as_of + timedelta(days=source.randint(first, last))).isoformat()
