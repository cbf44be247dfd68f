"""Monte Carlo simulation: normal moves with the covariance of the history, of all factors jointly.

The covariance of the daily moves R (days x factors) with weights w is D'D, where a row of D is
sqrt(w) times the day's deviation from the mean. A scenario is z·D with independent standard
normals z, one a day of the history: it has zero mean and exactly that covariance. So the
covariance is never written down and nothing is decomposed, and one that is not positive definite
(more factors than days, a factor twice, one that never moved) needs no repair.

Weights, and the mean from which a day deviates:
- ewma: proportional to decay^age, their sum 1, and zero, so that weeks of falling prices count as
  risk and not as a mean (J.P. Morgan and Reuters, RiskMetrics Technical Document, 4th ed., 1996,
  section 5.2, which takes 0.94 for daily moves);
- equal: 1 / (days - 1), and the days' own: the unbiased sample covariance.

Shocks are log for EQ, FX and VOL, and stored as the ratio exp(shock), which is above 0 whatever
was drawn; for RATE they are differences. The same seed and market data make the same scenarios.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from data_ingestion.historical import SHOCKS

if TYPE_CHECKING:
    from collections.abc import Callable

Weighting = Literal["ewma", "equal"]

_BLOCK: Final = 1000
"""Scenarios simulated at once, so that what is worked on stays small. Other blocks would draw the
same numbers for other scenarios."""


@dataclass(frozen=True)
class MonteCarlo:
    """What is simulated."""

    scenarios: int
    seed: int
    weighting: Weighting
    decay: float
    """Of the EWMA weights, a day."""


def simulate(factors: pl.DataFrame, wanted: MonteCarlo) -> pl.Series:
    """Return simulated shocks of each factor, a list of `wanted.scenarios` of them.

    Args:
        factors: of a `History`.
        wanted: at least one scenario.
    """
    rate = pl.col("factor_type") == "RATE"
    moves = factors.select(pl.when(rate).then(SHOCKS).otherwise(_each(pl.Expr.log)))[SHOCKS]
    deviations = _weighted_deviations(moves, wanted)
    source = random.Random(wanted.seed)  # noqa: S311 - a simulation, no secret
    blocks = [
        _block(deviations, source, min(_BLOCK, wanted.scenarios - start))
        for start in range(0, wanted.scenarios, _BLOCK)
    ]
    simulated = factors.select("factor_type", pl.concat_list(blocks).alias(SHOCKS))
    return simulated.select(pl.when(rate).then(SHOCKS).otherwise(_each(pl.Expr.exp)))[SHOCKS]


def _each(function: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    return pl.col(SHOCKS).list.eval(function(pl.element()))


def _weighted_deviations(moves: pl.Series, wanted: MonteCarlo) -> list[pl.Series]:
    """Return, for each day, every factor's sqrt(w)·(move - mean)."""
    days = len(moves[0])
    wide = moves.list.to_array(days)
    if wanted.weighting == "ewma":
        powers = [wanted.decay**age for age in range(days - 1, -1, -1)]
        total = sum(powers)
        weights = [power / total for power in powers]
    else:
        wide = wide - wide.arr.mean()
        weights = [1 / (days - 1)] * days
    weighted = wide * _row([math.sqrt(weight) for weight in weights])
    return [weighted.arr.get(day) for day in range(days)]


def _block(deviations: list[pl.Series], source: random.Random, scenarios: int) -> pl.Series:
    """Return z·D for this many scenarios, a list a factor."""
    total = pl.Series([[0.0] * scenarios] * len(deviations[0]), dtype=_wide(scenarios))
    for day in deviations:
        total += _row([_normal(source) for _ in range(scenarios)]) * day
    return total.arr.to_list()


_QUANTILE: Final = NormalDist().inv_cdf


def _normal(source: random.Random) -> float:
    # A number from [0, 1), of which 0 has no quantile; adding this changes hardly another one.
    return _QUANTILE(source.random() + 2.0**-55)


def _row(values: list[float]) -> pl.Series:
    """Return one row, which arithmetic with a column of rows repeats."""
    return pl.Series([values], dtype=_wide(len(values)))


def _wide(width: int) -> pl.Array:
    return pl.Array(pl.Float64, width)
