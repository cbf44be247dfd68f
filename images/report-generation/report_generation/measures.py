"""Value at risk and expected shortfall from losses in equally likely scenarios.

With n scenarios and level c, a = n·(1-c) of them make the tail.
- VaR is the k-th worst loss, k = a rounded up: the 5th worst of 500 at 99%.
- ES is the mean of the a worst losses; where a is no whole number, the last of them counts with
  the fraction that is left (Acerbi and Tasche, On the coherence of expected shortfall, 2002).
- A book's component ES is its mean loss over the portfolio's tail, with the same weights; the
  components add up to the portfolio's ES.
Losses are decimals and the arithmetic is exact but for one division, so nothing depends on order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DIGITS: Final = 60


@dataclass(frozen=True)
class Tail:
    """The scenarios beyond a level, of one portfolio or book."""

    level: Decimal
    rank: int
    """VaR is the rank-th worst loss."""
    weights: tuple[tuple[int, Decimal], ...]
    """Scenarios, the worst first, with what each counts; the weights add up to n·(1-level)."""
    var: Decimal
    es: Decimal


def tail(losses: Sequence[Decimal], level: Decimal) -> Tail:
    """Return VaR and ES at a level.

    Args:
        losses: one a scenario, a profit being below 0.
        level: between 0 and 1, e.g. 0.99.

    Raises:
        ValueError: there are no losses, or the level is not between 0 and 1.
    """
    if not losses or not 0 < level < 1:
        raise ValueError(f"No tail of {len(losses)} losses at level {level}.")
    with localcontext(prec=_DIGITS):
        size = len(losses) * (1 - level)
        whole = int(size)
        rank = whole if whole == size else whole + 1
        # Of equal losses the earlier scenario counts as the worse, so that the tail is one set.
        worst = sorted(range(len(losses)), key=lambda scenario: (-losses[scenario], scenario))
        weights = tuple(
            (scenario, min(Decimal(1), size - place)) for place, scenario in enumerate(worst[:rank])
        )
        return Tail(level, rank, weights, losses[worst[rank - 1]], weighted_mean(losses, weights))


def weighted_mean(losses: Sequence[Decimal], weights: Iterable[tuple[int, Decimal]]) -> Decimal:
    """Return the mean of the losses in some scenarios, weighted."""
    with localcontext(prec=_DIGITS):
        pairs = list(weights)
        weight = sum((weight for _, weight in pairs), Decimal(0))
        total = sum((losses[scenario] * weight for scenario, weight in pairs), Decimal(0))
        return total / weight


def component_es(
    losses_by_book: Mapping[str, Sequence[Decimal]], portfolio: Tail
) -> dict[str, Decimal]:
    """Return what each book contributes to the portfolio's ES."""
    return {
        book: weighted_mean(losses, portfolio.weights) for book, losses in losses_by_book.items()
    }


def added(losses_by_book: Mapping[str, Sequence[Decimal]]) -> list[Decimal]:
    """Return the portfolio's loss in every scenario."""
    with localcontext(prec=_DIGITS):
        return [sum(column, Decimal(0)) for column in zip(*losses_by_book.values(), strict=True)]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return an exact sum."""
    with localcontext(prec=_DIGITS):
        return sum(amounts, Decimal(0))
