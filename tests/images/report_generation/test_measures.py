"""VaR and ES against an independent calculation in plain numpy, and what must hold of them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_generation.measures import added, component_es, tail

LEVELS = [Decimal(level) for level in ("0.95", "0.975", "0.99")]
losses_strategy = st.lists(
    st.decimals(-(10**9), 10**9, places=6, allow_nan=False), min_size=1, max_size=300
)


def independent(losses: list[Decimal], level: Decimal) -> tuple[float, float]:
    """VaR and ES by integrating the empirical quantile function over the tail."""
    ordered = np.sort(np.array([float(loss) for loss in losses]))[::-1]
    size = Fraction(len(losses)) * (1 - Fraction(level))
    cover = np.clip([float(size - place) for place in range(len(losses))], 0, 1)
    var = ordered[np.flatnonzero(cover > 0)[-1]]
    return float(var), float(ordered @ cover / float(size))


@given(losses_strategy, st.sampled_from(LEVELS))
def test_it_agrees_with_plain_numpy(losses: list[Decimal], level: Decimal) -> None:
    found = tail(losses, level)
    var, es = independent(losses, level)
    assert float(found.var) == pytest.approx(var, rel=1e-12, abs=1e-9)
    assert float(found.es) == pytest.approx(es, rel=1e-9, abs=1e-5)


@pytest.mark.parametrize(
    ("scenarios", "level", "rank"),
    [(500, "0.99", 5), (500, "0.975", 13), (250, "0.99", 3), (520, "0.95", 26), (50, "0.99", 1)],
)
def test_var_is_the_kth_worst_loss(scenarios: int, level: str, rank: int) -> None:
    losses = [Decimal(number) for number in range(1, scenarios + 1)]
    found = tail(losses, Decimal(level))
    assert found.rank == rank
    assert found.var == scenarios + 1 - rank


def test_es_weighs_its_last_loss_with_what_is_left() -> None:
    losses = [Decimal(number) for number in range(1, 101)]
    # 2.5 of 100: (100 + 99 + 98 / 2) / 2.5
    assert tail(losses, Decimal("0.975")).es == Decimal("99.2")


@given(losses_strategy, st.sampled_from(LEVELS))
def test_es_is_never_below_var(losses: list[Decimal], level: Decimal) -> None:
    found = tail(losses, level)
    # ES is rounded in its sixtieth digit.
    assert found.es >= found.var - Decimal("1e-40")


@given(losses_strategy, st.sampled_from(LEVELS), st.randoms())
def test_order_does_not_matter(losses: list[Decimal], level: Decimal, source: object) -> None:
    shuffled = losses[:]
    source.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    one, other = tail(losses, level), tail(shuffled, level)
    assert (one.var, one.es) == (other.var, other.es)


@given(losses_strategy, st.sampled_from(LEVELS))
def test_twice_the_losses_are_twice_the_risk(losses: list[Decimal], level: Decimal) -> None:
    one, double = tail(losses, level), tail([2 * loss for loss in losses], level)
    assert double.var == 2 * one.var
    assert float(double.es) == pytest.approx(2 * float(one.es), rel=1e-15)


@given(
    st.integers(1, 120).flatmap(
        lambda count: st.dictionaries(
            st.sampled_from("ABCDE"),
            st.lists(st.decimals(-(10**12), 10**12, places=6), min_size=count, max_size=count),
            min_size=1,
        )
    ),
    st.sampled_from(LEVELS),
)
def test_component_es_adds_up(books: dict[str, list[Decimal]], level: Decimal) -> None:
    portfolio = tail(added(books), level)
    total = sum(component_es(books, portfolio).values(), Decimal(0))
    assert abs(total - portfolio.es) < Decimal("1e-10")


def test_without_losses_or_with_a_wrong_level_there_is_no_tail() -> None:
    for losses, level in (([], "0.99"), ([Decimal(1)], "1"), ([Decimal(1)], "0")):
        with pytest.raises(ValueError, match="No tail"):
            tail(losses, Decimal(level))
