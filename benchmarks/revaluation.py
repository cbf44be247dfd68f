"""Speed and accuracy of risk-calculation beside QuantLib, numpy and itself on two threads."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import QuantLib as ql  # noqa: N813 - as everybody calls it
from scipy.special import ndtr

from benchmarks.peers.task import AS_OF, BASE
from benchmarks.results import PROJECT, Figure
from benchmarks.rounds import interleaved, ratio, timed

for _package in ("risk-calculation", "report-generation", "data-ingestion", "common"):
    sys.path.insert(0, str(PROJECT / "images" / _package))

from data_ingestion import market_data, scenarios, stress  # noqa: E402 - found by now
from risk_calculation import exposures  # noqa: E402
from risk_calculation.kernels import BLOCK, option_values  # noqa: E402
from risk_calculation.market import Market, market  # noqa: E402
from risk_calculation.valuation import (  # noqa: E402
    LinearHoldings,
    OptionHoldings,
    book_values,
    linear_holdings,
    option_holdings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OPTIONS: Final = 20_000
PEER_OPTIONS: Final = 400
"""Peers revalue fewer; all are compared by revaluations a second."""
PRICES: Final = 20_000
_REPEATED: Final = 5
"""Own turns take about as long as those of the peers."""
_BLOCK_VALUES: Final = 4096
"""Of 8 bytes, times the arrays in use: what the second-level cache holds."""


@dataclass(frozen=True)
class Book:
    """Options of a sample, in its scenarios."""

    market: Market
    holdings: OptionHoldings
    linear: LinearHoldings
    """None at all."""
    books: int

    @property
    def contracts(self) -> int:
        """How many options are valued in each scenario."""
        return len(self.holdings.contracts)

    @property
    def valuations(self) -> int:
        """Options times columns: every scenario, today, and padding."""
        return self.contracts * int(self.market.factors.shape[1])


def scenario_market(path: Path) -> Market:
    """Return the market of a market data file's scenario set, as a run has it."""
    rows = market_data.read(path.name, path.read_bytes(), AS_OF)
    given = market_data.MarketData(path.name, None, rows)
    made = scenarios.make(given, BASE, scenarios.options({}), stress.read())
    return market(made.factors, made.count, BASE, AS_OF)


def without_scenarios(given: Market) -> Market:
    """Return a market of today's values alone, and one scenario in which nothing moves."""
    factors = np.repeat(given.factors[:, :1], BLOCK, axis=1)
    return dataclasses.replace(given, scenarios=1, factors=factors)


def book(shard: pl.DataFrame, given: Market, count: int) -> Book:
    """Return so many of a shard's options, those with an underlying and a maturity in common."""
    ordered = shard.filter(pl.col("product_type") == "EQOPT").sort("risk_factor", "maturity")
    chosen = ordered.head(count)
    names = chosen["book"].unique().sort().to_list()
    holdings = option_holdings(exposures.options(chosen), given, names)
    none = linear_holdings(exposures.linear(chosen, AS_OF), given, names)
    return Book(given, holdings, none, len(names))


def value(held: Book, threads: int) -> Floats:
    """Value a book as a task does, and return its P&L."""
    return book_values(held.market, held.linear, held.holdings, held.books, threads)[1]


def in_blocks(held: Book) -> Floats:
    """Value a book with numpy and scipy, by blocks of contracts and scenarios; return its P&L."""
    factors, holdings = held.market.factors, held.holdings
    total = np.zeros((held.books, factors.shape[1]))
    for group, (start, end) in enumerate(
        zip(holdings.starts[:-1], holdings.starts[1:], strict=True)
    ):
        rows, terms = holdings.rows[group], holdings.terms[group]
        weight, years = terms
        rate = years * (factors[rows[2]] + weight * (factors[rows[3]] - factors[rows[2]]))
        pays = years * factors[rows[4]]
        ratios = factors[rows[5]]
        drift = holdings.logs[rows[6]] + (rate - pays)
        fx = factors[rows[1]]
        asset, cash = factors[rows[0]] * fx * np.exp(-pays), fx * np.exp(-rate)
        columns = min(factors.shape[1], _BLOCK_VALUES)
        together = max(1, _BLOCK_VALUES // columns)
        for first in range(int(start), int(end), together):
            some = slice(first, min(first + together, int(end)))
            log_moneyness, sigma, strike, sign, quantity = holdings.contracts[some].T[:, :, None]
            width = (sigma * math.sqrt(years)) * ratios
            d1 = log_moneyness + drift
            d1 /= width
            d2 = d1 - 0.5 * width
            d1 += 0.5 * width
            for leg, moneyness in ((asset, d1), (strike * cash, d2)):
                np.multiply(moneyness, sign, out=moneyness)
                ndtr(moneyness, out=moneyness)
                np.multiply(moneyness, leg, out=moneyness)
            d1 -= d2
            d1 *= sign * quantity
            for held_in, values in zip(holdings.books[some], d1, strict=True):
                total[held_in] += values
    moved = total[:, 1 : 1 + held.market.scenarios]
    return moved - total[:, :1]


@dataclass(frozen=True)
class Terms:
    """The arguments of Black's formula, one by one."""

    kinds: list[int]
    strikes: list[float]
    forwards: list[float]
    deviations: list[float]
    discounts: list[float]

    def values(self) -> list[float]:
        """Value them all with QuantLib."""
        return list(
            map(
                ql.blackFormula,
                self.kinds,
                self.strikes,
                self.forwards,
                self.deviations,
                self.discounts,
            )
        )


def quantlib_terms(held: Book) -> Terms:
    """Return a book's options in all scenarios, in the options' own currency."""
    factors, holdings = held.market.factors, held.holdings
    columns: list[list[Floats]] = [[], [], [], [], []]
    counts = np.diff(holdings.starts)
    groups = np.repeat(np.arange(counts.size), counts)
    for group, (_, sigma, strike, sign, _) in zip(groups, holdings.contracts, strict=True):
        rows, terms = holdings.rows[group], holdings.terms[group]
        weight, years = terms
        rate = factors[rows[2]] + weight * (factors[rows[3]] - factors[rows[2]])
        pays = factors[rows[4]]
        ratios = factors[rows[5]]
        kind = ql.Option.Call if sign > 0 else ql.Option.Put
        for column, one in zip(
            columns,
            (
                np.full(rate.size, kind),
                np.full(rate.size, strike),
                factors[rows[0]] * np.exp((rate - pays) * years),
                sigma * ratios * np.sqrt(years),
                np.exp(-rate * years),
            ),
            strict=True,
        ):
            column.append(one)
    return Terms(*(np.concatenate(column).tolist() for column in columns))


def speed(shard: pl.DataFrame, given: Market, rounds: int) -> tuple[list[Figure], float]:
    """Compare revaluations a second; return the figures, and those of one own thread."""
    held, few = book(shard, given, OPTIONS), book(shard, given, PEER_OPTIONS)
    terms = quantlib_terms(few)
    value(few, 1)
    taken = interleaved(
        {
            "one": timed(lambda: [value(held, 1) for _ in range(_REPEATED)]),
            "two": timed(lambda: [value(held, 2) for _ in range(_REPEATED)]),
            "quantlib": timed(terms.values),
            "blocks": timed(lambda: in_blocks(few)),
        },
        rounds,
    )
    one = [seconds / held.valuations / _REPEATED for seconds in taken["one"]]
    two = [seconds / held.valuations / _REPEATED for seconds in taken["two"]]
    quantlib = [seconds / len(terms.kinds) for seconds in taken["quantlib"]]
    blocks = [seconds / few.valuations for seconds in taken["blocks"]]
    rate = 1 / median(one)

    def figure(against: str, peer: list[float], own: list[float], limit: float) -> Figure:
        return Figure(
            "option revaluation",
            against,
            ratio(peer, own),
            limit,
            unit="x",
            at_least=True,
            details=f"{1 / median(peer) / 1e6:,.1f} M/s, own {1 / median(own) / 1e6:,.1f} M/s, "
            f"{rounds} rounds",
        )

    return [
        figure("QuantLib's blackFormula in a loop, one thread", quantlib, one, 30),
        figure("numpy and scipy's ndtr in blocks, one thread", blocks, one, 2.5),
        figure("itself, two threads against one", one, two, 1.7),
    ], rate


def accuracy() -> Figure:
    """Compare prices with QuantLib's, relative to the price or to 1 bp of the spot."""
    source = np.random.default_rng(3)
    spot = source.uniform(0.01, 5000, PRICES)
    strike = spot * np.exp(source.normal(0, 0.5, PRICES))
    years = source.uniform(1 / 365, 10, PRICES)
    rate = source.uniform(-0.02, 0.1, PRICES)
    pays = source.uniform(0, 0.05, PRICES)
    sigma = source.uniform(0.03, 1.2, PRICES)
    sign = source.choice([-1.0, 1.0], PRICES)
    found = option_values(spot, strike, years, rate, pays, sigma, sign)[0]
    expected = np.array(
        Terms(
            np.where(sign > 0, ql.Option.Call, ql.Option.Put).tolist(),
            strike.tolist(),
            (spot * np.exp((rate - pays) * years)).tolist(),
            (sigma * np.sqrt(years)).tolist(),
            np.exp(-rate * years).tolist(),
        ).values()
    )
    error = np.abs(found - expected) / np.maximum(expected, 1e-4 * spot)
    return Figure(
        "option price, relative error",
        "QuantLib's blackFormula",
        float(error.max()),
        1e-10,
        unit="",
        details=f"the largest of {PRICES:,}",
    )


def agreement(shard: pl.DataFrame, given: Market) -> float:
    """Return how far the peer in blocks is from the stage, relative to the largest P&L."""
    few = book(shard, given, PEER_OPTIONS)
    own = value(few, 1)
    return float(np.abs(in_blocks(few) - own).max() / np.abs(own).max())
