"""Whether a VaR was exceeded as often, and as much by chance, as its level says.

- Kupiec, Techniques for verifying the accuracy of risk measurement models, 1995: proportion of
  failures (POF), a likelihood ratio with one degree of freedom.
- Christoffersen, Evaluating interval forecasts, 1998: independence of an exception from the day
  before (one degree), and conditional coverage, the two together (two degrees).
- Basel Committee, Supervisory framework for the use of backtesting, January 1996: the zones of the
  traffic light, by the probability of at most as many exceptions.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_YELLOW: Final = 0.95
_RED: Final = 0.9999


@dataclass(frozen=True)
class LikelihoodRatio:
    """A test's statistic and the probability of one at least as large if the VaR is right."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class Transitions:
    """How many days without (0) and with (1) an exception were followed by which."""

    n00: int
    n01: int
    n10: int
    n11: int


class Zone(StrEnum):
    """The Basel Committee's traffic light."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


def kupiec(days: int, exceptions: int, probability: float) -> LikelihoodRatio:
    """Test the number of exceptions.

    Args:
        days: tested, at least one.
        exceptions: days on which the loss was beyond VaR.
        probability: of an exception if the VaR is right, e.g. 0.01.
    """
    calm = days - exceptions
    expected = _log_power(1 - probability, calm) + _log_power(probability, exceptions)
    seen = _log_power(calm / days, calm) + _log_power(exceptions / days, exceptions)
    return _one_degree(seen - expected)


def transitions(exceptions: Sequence[bool]) -> Transitions:
    """Count from day to day."""
    counts = Counter(pairwise(exceptions))
    return Transitions(
        n00=counts[False, False],
        n01=counts[False, True],
        n10=counts[True, False],
        n11=counts[True, True],
    )


def independence(counts: Transitions) -> LikelihoodRatio:
    """Test whether an exception makes another one on the next day more or less likely."""
    calm, after = counts.n00 + counts.n10, counts.n01 + counts.n11
    apart = _likelihood(counts.n00, counts.n01) + _likelihood(counts.n10, counts.n11)
    return _one_degree(apart - _likelihood(calm, after))


def conditional_coverage(
    coverage: LikelihoodRatio, independent: LikelihoodRatio
) -> LikelihoodRatio:
    """Test number and independence together."""
    statistic = coverage.statistic + independent.statistic
    return LikelihoodRatio(statistic, math.exp(-statistic / 2))  # chi-square, two degrees


def at_most(days: int, exceptions: int, probability: float) -> float:
    """Return the probability of that many exceptions or fewer if the VaR is right."""
    return math.fsum(
        math.comb(days, number) * probability**number * (1 - probability) ** (days - number)
        for number in range(exceptions + 1)
    )


def zone(days: int, exceptions: int, probability: float) -> Zone:
    """Return where the traffic light stands: of 250 days at 1%, yellow from 5 and red from 10."""
    reached = at_most(days, exceptions, probability)
    return Zone.GREEN if reached < _YELLOW else Zone.YELLOW if reached < _RED else Zone.RED


def _likelihood(calm: int, hit: int) -> float:
    """Return the logarithm of the greatest likelihood that any one probability gives them."""
    days = calm + hit
    return _log_power(calm / days, calm) + _log_power(hit / days, hit) if days else 0.0


def _log_power(base: float, exponent: int) -> float:
    return exponent * math.log(base) if exponent else 0.0


def _one_degree(log_ratio: float) -> LikelihoodRatio:
    statistic = max(0.0, 2 * log_ratio)  # what is seen cannot be less likely, but for rounding
    return LikelihoodRatio(statistic, math.erfc(math.sqrt(statistic / 2)))  # chi-square, one degree
