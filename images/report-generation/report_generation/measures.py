"""Value at risk and expected shortfall from losses in equally likely scenarios.

With n scenarios and level c, a = n·(1-c) of them make the tail.
- VaR is the k-th worst loss, k = a rounded up: the 5th worst of 500 at 99%.
- ES is the mean of the a worst losses; where a is no whole number, the last of them counts with
  the fraction that is left (Acerbi and Tasche, On the coherence of expected shortfall, 2002).
- A book's component ES is its mean loss over the portfolio's tail, with the same weights; the
  components add up to the portfolio's ES.
- A book's incremental VaR is what the portfolio's VaR would fall by without it.
- Over h days both are √h times those of one day, as if days were independent and alike.
Sums are exact before they are rounded once (math.fsum), so nothing depends on their order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal


@dataclass(frozen=True)
class Tail:
    """The scenarios beyond a level, of one portfolio or book."""

    level: Decimal
    size: float
    """n·(1-level), which need not be a whole number."""
    weights: tuple[tuple[int, float], ...]
    """Scenarios, the worst first, with what each counts; the weights add up to the size."""
    var: float
    es: float

    @property
    def rank(self) -> int:
        """VaR is the rank-th worst loss."""
        return len(self.weights)


def tails(losses: Sequence[float], levels: Sequence[Decimal]) -> list[Tail]:
    """Return VaR and ES at every level.

    Args:
        losses: one a scenario, a profit being below 0.
        levels: each between 0 and 1, e.g. 0.99.

    Raises:
        ValueError: there are no losses, or a level is not between 0 and 1.
    """
    if not losses or not all(0 < level < 1 for level in levels):
        raise ValueError(f"No tail of {len(losses)} losses at {', '.join(map(str, levels))}.")
    # A stable sort: of equal losses the earlier scenario counts as the worse.
    worst = sorted(range(len(losses)), key=losses.__getitem__, reverse=True)
    return [_tail(losses, worst, level) for level in levels]


def _tail(losses: Sequence[float], worst: Sequence[int], level: Decimal) -> Tail:
    size = len(losses) * (1 - level)  # a decimal, so 500·(1-0.99) is 5 and not a little more
    rank = math.ceil(size)
    weights = tuple(
        (scenario, min(1.0, float(size - place))) for place, scenario in enumerate(worst[:rank])
    )
    mean = weighted_mean(losses, weights, float(size))
    return Tail(level, float(size), weights, losses[worst[rank - 1]], mean)


def weighted_mean(
    losses: Sequence[float], weights: Sequence[tuple[int, float]], size: float
) -> float:
    """Return the mean of the losses in some scenarios, whose weights add up to size."""
    return math.fsum(losses[scenario] * weight for scenario, weight in weights) / size


def component_es(
    losses_by_book: Mapping[str, Sequence[float]], portfolio: Tail
) -> dict[str, float]:
    """Return what each book contributes to the portfolio's ES."""
    return {
        book: weighted_mean(losses, portfolio.weights, portfolio.size)
        for book, losses in losses_by_book.items()
    }


def incremental_var(
    losses: Sequence[float], own: Sequence[float], portfolio: Sequence[Tail]
) -> list[float]:
    """Return VaR(L) - VaR(L - own) at the level of each of the portfolio's tails."""
    rest = [loss - part for loss, part in zip(losses, own, strict=True)]
    without = tails(rest, [tail.level for tail in portfolio])
    return [tail.var - other.var for tail, other in zip(portfolio, without, strict=True)]


def added(losses_by_book: Mapping[str, Sequence[float]]) -> list[float]:
    """Return the portfolio's loss in every scenario."""
    return [math.fsum(column) for column in zip(*losses_by_book.values(), strict=True)]


def over_days(one_day: float, days: int) -> float:
    """Return VaR or ES over a horizon of some days."""
    return one_day * math.sqrt(days)
