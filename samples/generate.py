"""Makes sample input from a seed: `python -m samples.generate --seed 7 --out samples`.

Only the standard library is used, whose random numbers are the same everywhere, so that the same
arguments make the same bytes (of the CSV text; gzip's own bytes may differ between zlib versions).
The names, prices and histories are invented.
"""

from __future__ import annotations

import argparse
import gzip
import math
import random
import sys
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_OF: Final = date(2026, 1, 30)
BASE: Final = "USD"

POSITION_COLUMNS: Final = (
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
MARKET_COLUMNS: Final = ("date", "factor_id", "factor_type", "tenor", "value")

TOO_MANY_FIELDS: Final[dict[str, str]] = {}
# What each kind of bad row says instead of something right.
MISTAKES: Final = (
    {"risk_factor": "UNLISTED-CO"},
    {"quantity": "n/a"},
    {"currency": ""},
    {"as_of": "30.01.2026"},
    {"position_id": "P00000001"},
    {"quantity": "NaN"},
    {"product_type": "CRYPTO"},
    TOO_MANY_FIELDS,
    # ISO 4217's code for no currency at all, in a forward that fell due long ago.
    {"product_type": "FXFWD", "currency2": "XXX", "maturity": "2020-02-28"},
)

# Each equity's first price, currency, yearly volatility and sensitivity to the market.
EQUITIES: Final[dict[str, tuple[float, str, float, float]]] = {
    "ALPENGLUEHN": (212.0, "CHF", 0.19, 0.7),
    "ARDENT-STEEL": (34.5, "EUR", 0.34, 1.3),
    "BALTIC-WIND": (18.2, "EUR", 0.38, 1.1),
    "CIRRUS-CLOUD": (188.0, "USD", 0.36, 1.5),
    "DOVER-BANK": (4.9, "GBP", 0.27, 1.2),
    "EVERGREEN-FOODS": (61.0, "USD", 0.16, 0.5),
    "HOKUTO-ROBOTICS": (5480.0, "JPY", 0.29, 1.0),
    "LUMEN-HEALTH": (97.0, "USD", 0.22, 0.6),
    "MERIDIAN-OIL": (73.0, "USD", 0.31, 0.9),
    "ORCHARD-RETAIL": (12.4, "GBP", 0.25, 0.8),
    "RHEIN-CHEMIE": (48.0, "EUR", 0.26, 1.0),
    "SAKURA-RAIL": (3120.0, "JPY", 0.18, 0.6),
}
# Each currency's first price in the base currency, yearly volatility, and rate.
CURRENCIES: Final[dict[str, tuple[float, float, float]]] = {
    "EUR": (1.085, 0.08, 0.024),
    "GBP": (1.265, 0.09, 0.039),
    "JPY": (0.0068, 0.11, 0.006),
    "CHF": (1.130, 0.08, 0.008),
}
BASE_RATE: Final = 0.043
TENORS: Final[dict[str, float]] = {"1M": 1 / 12, "6M": 0.5, "1Y": 1.0, "2Y": 2.0}

EQUITY_BOOKS: Final = ("EQ-EUROPE", "EQ-AMERICAS", "EQ-ASIA", "EQ-INDEX-ARB", "PROP")
FX_BOOKS: Final = ("FX-G10", "FX-CORPORATE", "TREASURY", "PROP")
COUNTERPARTIES: Final = tuple(f"CP{number:03d}" for number in range(1, 41))
BAD_SHARE: Final = 0.01


@dataclass
class MarketPath:
    """One factor's value, moved day by day."""

    value: float
    volatility: float
    beta: float = 0.0
    history: list[float] = field(default_factory=list)


def business_days(last: date, count: int) -> list[date]:
    """Return the `count` days from Monday to Friday that end with `last`."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def market_paths(source: random.Random, days: int) -> dict[str, MarketPath]:
    """Return every equity's and currency's values on `days` days: one market factor, and own noise.

    Volatility clusters, and now and then a day is large, so that tails look like tails.
    """
    paths = {
        name: MarketPath(price, volatility, beta)
        for name, (price, _, volatility, beta) in EQUITIES.items()
    }
    for currency, (rate, volatility, _) in CURRENCIES.items():
        paths[currency + BASE] = MarketPath(rate, volatility, beta=0.15)
    stress = 1.0
    for _ in range(days):
        stress = 0.94 * stress + 0.06 * source.uniform(0.4, 1.6) + 0.25 * (source.random() < 0.012)
        market = 0.16 * stress * source.gauss(0, 1) / math.sqrt(252)
        for path in paths.values():
            own = math.sqrt(max(path.volatility**2 - (0.16 * path.beta) ** 2, 0.0))
            shock = path.beta * market + own * stress * source.gauss(0, 1) / math.sqrt(252)
            path.history.append(path.value)
            path.value *= math.exp(shock - 0.5 * shock * shock)
    return paths


def market_rows(source: random.Random, days: list[date]) -> Iterator[tuple[str, ...]]:
    """Yield the market data in long form, a day after the other."""
    paths = market_paths(source, len(days))
    levels = {BASE: BASE_RATE, **{name: rate for name, (_, _, rate) in CURRENCIES.items()}}
    pairs = [currency + BASE for currency in CURRENCIES]
    for index, day in enumerate(days):
        stamp = day.isoformat()
        for name in EQUITIES:
            yield stamp, name, "EQ", "", f"{paths[name].history[index]:.4f}"
        for pair in pairs:
            yield stamp, pair, "FX", "", f"{paths[pair].history[index]:.7f}"
        levels = {name: level + 0.0004 * source.gauss(0, 1) for name, level in levels.items()}
        for currency, level in levels.items():
            for tenor, years in TENORS.items():
                rate = level + 0.0015 * math.log(years + 1)
                yield stamp, f"{currency}-OIS", "RATE", tenor, f"{rate:.6f}"


def position_rows(source: random.Random, count: int, as_of: date) -> Iterator[list[str]]:
    """Yield `count` positions, equities and FX forwards; about 1% of them have something wrong."""
    for number in range(1, count + 1):
        row = dict.fromkeys(POSITION_COLUMNS, "")
        row["position_id"] = f"P{number:08d}"
        row["as_of"] = as_of.isoformat()
        row["counterparty"] = source.choice(COUNTERPARTIES)
        if source.random() < 0.65:
            _equity(source, row)
        else:
            _fx_forward(source, row, as_of)
        fields = [row[name] for name in POSITION_COLUMNS]
        yield _spoiled(source, fields) if source.random() < BAD_SHARE else fields


def _equity(source: random.Random, row: dict[str, str]) -> None:
    name = source.choice(tuple(EQUITIES))
    price, currency, _, _ = EQUITIES[name]
    value = source.lognormvariate(11.5, 1.2) * (1 if source.random() < 0.7 else -1)
    in_base = price * (CURRENCIES[currency][0] if currency in CURRENCIES else 1.0)
    row["product_type"] = "EQUITY"
    row["book"] = source.choice(EQUITY_BOOKS)
    row["risk_factor"] = name
    row["currency"] = currency
    row["quantity"] = str(round(value / in_base))
    row["price"] = f"{price * source.uniform(0.9, 1.1):.2f}"


def _fx_forward(source: random.Random, row: dict[str, str], as_of: date) -> None:
    names = [*CURRENCIES, BASE]
    first, second = source.sample(names, 2)
    in_base = {BASE: 1.0, **{name: rate for name, (rate, _, _) in CURRENCIES.items()}}
    amount = source.lognormvariate(13.0, 1.1) * (1 if source.random() < 0.5 else -1)
    row["product_type"] = "FXFWD"
    row["book"] = source.choice(FX_BOOKS)
    row["risk_factor"] = first + second
    row["currency"] = first
    row["currency2"] = second
    row["quantity"] = str(round(amount / in_base[first], -3))
    row["strike"] = f"{in_base[first] / in_base[second] * source.uniform(0.97, 1.03):.6f}"
    row["maturity"] = (as_of + timedelta(days=source.randint(2, 540))).isoformat()
    row["curve_id"] = f"{first}-OIS"


def _spoiled(source: random.Random, fields: list[str]) -> list[str]:
    """Return a row with one of the mistakes that real files have."""
    mistake = source.choice(MISTAKES)
    if mistake is TOO_MANY_FIELDS:
        return [*fields, "one field too many"]
    return [mistake.get(name, value) for name, value in zip(POSITION_COLUMNS, fields, strict=True)]


def write(seed: int, positions: int, days: int, out: Path) -> tuple[Path, Path]:
    """Write positions.csv.gz and market-data/<as-of>.csv below `out`; return their paths."""
    dates = business_days(AS_OF, days)
    market_path = out / "market-data" / f"{AS_OF.isoformat()}.csv"
    market_path.parent.mkdir(parents=True, exist_ok=True)
    with market_path.open("w", encoding="utf-8", newline="\n") as text:
        text.write(",".join(MARKET_COLUMNS) + "\n")
        # Each file has a source of its own, so that one's size does not change the other.
        for row in market_rows(random.Random(f"market {seed}"), dates):  # noqa: S311 - a sample
            text.write(",".join(row) + "\n")
    positions_path = out / "positions.csv.gz"
    with (
        positions_path.open("wb") as file,
        # Neither time nor name in its header: the same text makes the same file.
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        text.write(",".join(POSITION_COLUMNS) + "\n")
        source = random.Random(f"positions {seed}")  # noqa: S311 - a sample, no secret
        for fields in position_rows(source, positions, AS_OF):
            text.write(",".join(fields) + "\n")
    return positions_path, market_path


def main(arguments: list[str] | None = None) -> int:
    """Write the sample that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m samples.generate", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--positions", type=int, default=4000, help="rows of the positions file")
    parser.add_argument("--days", type=int, default=521, help="dates of the market data")
    parser.add_argument("--out", type=Path, default=Path("samples"))
    chosen = parser.parse_args(arguments)
    if chosen.positions < 1 or chosen.days < 2:
        parser.error("--positions must be at least 1 and --days at least 2")
    for path in write(chosen.seed, chosen.positions, chosen.days, chosen.out):
        sys.stdout.write(f"{path} {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
