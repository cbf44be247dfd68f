"""VaR and ES against an independent calculation in plain numpy, and what must hold of them."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_generation.measures import (
    Tail,
    added,
    component_es,
    incremental_var,
    over_days,
    tails,
)

LEVELS = [Decimal(level) for level in ("0.95", "0.975", "0.99")]
# Millionths, for what is nearer to zero loses digits when it is halved or weighted.
amounts = st.floats(-1e12, 1e12).map(lambda value: round(value, 6))
losses_strategy = st.lists(amounts, min_size=1, max_size=300)
books_strategy = st.integers(1, 120).flatmap(
    lambda count: st.dictionaries(
        st.sampled_from("ABCDE"), st.lists(amounts, min_size=count, max_size=count), min_size=1
    )
)


def tail(losses: list[float], level: Decimal) -> Tail:
    return tails(losses, [level])[0]


def gross(books: dict[str, list[float]]) -> float:
    return math.fsum(abs(loss) for own in books.values() for loss in own)


def independent(losses: list[float], level: Decimal) -> tuple[float, float]:
    """VaR and ES by integrating the empirical quantile function over the tail."""
    ordered = np.sort(np.array(losses))[::-1]
    size = Fraction(len(losses)) * (1 - Fraction(level))
    cover = np.clip([float(size - place) for place in range(len(losses))], 0, 1)
    var = ordered[np.flatnonzero(cover > 0)[-1]]
    return float(var), float(ordered @ cover / float(size))


@given(losses_strategy, st.sampled_from(LEVELS))
def test_it_agrees_with_plain_numpy(losses: list[float], level: Decimal) -> None:
    found = tail(losses, level)
    var, es = independent(losses, level)
    assert found.var == var
    assert found.es == pytest.approx(es, rel=1e-12, abs=1e-12 * max(map(abs, losses)))


@pytest.mark.parametrize(
    ("scenarios", "level", "rank"),
    [(500, "0.99", 5), (500, "0.975", 13), (250, "0.99", 3), (520, "0.95", 26), (50, "0.99", 1)],
)
def test_var_is_the_kth_worst_loss(scenarios: int, level: str, rank: int) -> None:
    losses = [float(number) for number in range(1, scenarios + 1)]
    found = tail(losses, Decimal(level))
    assert found.rank == rank
    assert found.var == scenarios + 1 - rank


def test_es_weighs_its_last_loss_with_what_is_left() -> None:
    losses = [float(number) for number in range(1, 101)]
    # 2.5 of 100: (100 + 99 + 98 / 2) / 2.5
    assert tail(losses, Decimal("0.975")).es == 99.2


@given(losses_strategy, st.sampled_from(LEVELS))
def test_es_is_never_below_var(losses: list[float], level: Decimal) -> None:
    found = tail(losses, level)
    assert found.es >= found.var - 1e-15 * abs(found.var)


@given(losses_strategy, st.randoms())
def test_order_does_not_matter(losses: list[float], source: Any) -> None:
    shuffled = losses[:]
    source.shuffle(shuffled)
    for one, other in zip(tails(losses, LEVELS), tails(shuffled, LEVELS), strict=True):
        assert (one.var, one.es) == (other.var, other.es)


@given(losses_strategy)
def test_twice_the_losses_are_twice_the_risk(losses: list[float]) -> None:
    doubled = tails([2 * loss for loss in losses], LEVELS)
    for one, double in zip(tails(losses, LEVELS), doubled, strict=True):
        assert (double.var, double.es) == (2 * one.var, 2 * one.es)


@given(books_strategy, st.sampled_from(LEVELS))
def test_component_es_adds_up(books: dict[str, list[float]], level: Decimal) -> None:
    portfolio = tail(added(books), level)
    total = math.fsum(component_es(books, portfolio).values())
    assert total == pytest.approx(portfolio.es, abs=1e-14 * gross(books) / portfolio.size)


@given(losses_strategy)
def test_a_book_without_losses_contributes_nothing(losses: list[float]) -> None:
    nothing = [0.0] * len(losses)
    portfolio = tails(losses, LEVELS)
    assert incremental_var(losses, nothing, portfolio) == [0.0] * len(LEVELS)
    assert component_es({"A": nothing}, portfolio[0]) == {"A": 0.0}


@given(losses_strategy)
def test_the_only_books_incremental_var_is_the_portfolios_var(losses: list[float]) -> None:
    portfolio = tails(losses, LEVELS)
    assert incremental_var(losses, losses, portfolio) == [tail.var for tail in portfolio]


def test_incremental_var_is_what_the_var_falls_by() -> None:
    rest = [float(number) for number in range(100)]
    own = [float((number * 37) % 50) for number in range(100)]
    whole = [one + other for one, other in zip(rest, own, strict=True)]
    found = incremental_var(whole, own, tails(whole, LEVELS))
    assert found == [
        np.sort(whole)[-rank] - np.sort(rest)[-rank] for rank in (5, 3, 1)
    ]  # of 100: 5, 2.5 and 1 rounded up


@given(books_strategy, st.randoms())
def test_the_portfolio_does_not_depend_on_the_order_of_books(
    books: dict[str, list[float]], source: Any
) -> None:
    names = list(books)
    source.shuffle(names)
    assert added(books) == added({name: books[name] for name in names})


def test_ten_days_are_the_square_root_of_ten_of_one() -> None:
    assert over_days(2.0, 1) == 2.0
    assert over_days(1.0, 10) == pytest.approx(3.16227766)


@pytest.mark.parametrize(("losses", "level"), [([], "0.99"), ([1.0], "1"), ([1.0], "0")])
def test_without_losses_or_with_a_wrong_level_there_is_no_tail(
    losses: list[float], level: str
) -> None:
    with pytest.raises(ValueError, match="No tail"):
        tail(losses, Decimal(level))
