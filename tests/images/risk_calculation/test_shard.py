"""What must hold of any shard, whatever is in it."""

from __future__ import annotations

import hashlib
import math
import platform
import sys
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from batchkit.figures import SORT_COLUMNS
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_calculation.kernels import BLOCK

from tests.images.risk_calculation.conftest import (
    FACTORS,
    TODAY,
    Moves,
    Position,
    bond,
    calculated,
    equity,
    forward,
    moved,
    option,
    values,
)

SCENARIOS = 2 * BLOCK + 5
GOLDEN = {
    ("x86_64", 3, 11): "02947676da5a41e628aa0685e272311f183c855bb2f5ef61d43438a6bdd141ac",
    ("x86_64", 3, 13): "297c8df2258fc500bc6e612bf9e11a3fb3907ae94323f2a3241202dc3ca79c06",
}
"""By processor and version of Python, whose bytecode numba compiles; changes with the arithmetic,
and with the version of numba or LLVM at most."""
HERE = (platform.machine(), *sys.version_info[:2])


def random_market() -> list[Moves]:
    source = np.random.default_rng(11)
    return [
        {
            (kind, name): source.normal(0, 0.001) if kind == "RATE" else source.lognormal(0, 0.02)
            for kind, name, _, _ in FACTORS
        }
        for _ in range(SCENARIOS)
    ]


MARKET = moved(*random_market())

books = st.sampled_from(["A", "B"])
quantities = st.floats(-1e9, 1e9).filter(lambda quantity: abs(quantity) > 1e-6)
currencies = st.sampled_from(["USD", "EUR", "JPY"])
maturities = st.dates(TODAY + timedelta(days=1), date(2056, 1, 1))
positions = st.lists(
    st.one_of(
        st.builds(equity, books, st.sampled_from(["ACME", "TINY"]), currencies, quantities),
        st.builds(
            option,
            st.sampled_from(["ACME", "TINY"]),
            st.floats(1e-3, 100),
            maturities,
            kind=st.sampled_from(["C", "P"]),
            volatility=st.floats(0.01, 2),
            quantity=quantities,
            currency=currencies,
            book=books,
        ),
        st.builds(
            bond,
            maturities,
            coupon=st.floats(0, 0.1),
            frequency=st.sampled_from([0, 1, 2, 4, 12]),
            quantity=quantities,
            currency=currencies,
            curve=st.sampled_from([None, "EUR-GOV"]),
            book=books,
        ),
        st.builds(
            forward,
            st.sampled_from(["EURUSD", "USDJPY", "JPYEUR"]),
            quantities,
            st.floats(0.001, 200),
            maturities,
            book=books,
        ),
    ),
    min_size=1,
    max_size=12,
)
KEYS = [name for name in SORT_COLUMNS if name != "value"]


def summed(tables: list[pl.DataFrame]) -> dict[tuple[object, ...], float]:
    """The figures of all shards, added as the report adds them."""
    total: dict[tuple[object, ...], float] = {}
    for table in tables:
        for *key, value in table.select(*KEYS, "value").iter_rows():
            total[tuple(key)] = total.get(tuple(key), 0.0) + value
    return total


def gross(rows: list[Position]) -> dict[str, float]:
    """The largest figure of each measure that any position has by itself, times their number."""
    size: dict[str, float] = {}
    for row in rows:
        for measure, value in calculated([row], MARKET).select("measure", "value").iter_rows():
            size[measure] = max(size.get(measure, 0.0), abs(value))
    # What is revalued is a difference of two values.
    size["PNL"] += size["PV"]
    for measure in ("DV01", "THETA"):
        size[measure] = size.get(measure, 0.0) + size["PV"]
    size["GIRR_DELTA"] = size.get("GIRR_DELTA", 0.0) + size["PV"] / 1e-4
    return {measure: value * len(rows) for measure, value in size.items()}


@settings(deadline=None, max_examples=25)
@given(positions, st.data())
def test_one_shard_equals_many(held: list[Position], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(held)), max_size=3)))
    ends = zip([0, *cuts], [*cuts, len(held)], strict=True)
    parts = [held[start:end] for start, end in ends if start < end]
    whole = summed([calculated(held, MARKET)])
    found = summed([calculated(part, MARKET) for part in parts])
    scale = gross(held)
    assert found.keys() == whole.keys()
    for key, value in whole.items():
        assert found[key] == pytest.approx(value, rel=0, abs=1e-12 * scale[str(key[0])])


@settings(deadline=None, max_examples=40)
@given(positions, st.data())
def test_order_and_threads_change_no_bit(held: list[Position], data: st.DataObject) -> None:
    once = calculated(held, MARKET, threads=1)
    again = calculated(data.draw(st.permutations(held)), MARKET, threads=2)
    assert once.equals(again, null_equal=True)


@settings(deadline=None, max_examples=20)
@given(positions)
def test_twice_the_quantity_is_twice_the_figure(held: list[Position]) -> None:
    twice = calculated([{**row, "quantity": 2 * row["quantity"]} for row in held], MARKET)
    once = calculated(held, MARKET)
    # To the last bit, unless the bit is below the smallest normal number.
    expected = [2 * value for value in once["value"]]
    assert twice["value"].to_list() == pytest.approx(expected, rel=0, abs=1e-307)


@settings(deadline=None, max_examples=20)
@given(positions)
def test_without_moves_there_is_no_profit_and_no_loss(held: list[Position]) -> None:
    table = calculated(held, moved({}, {}))
    assert set(table.filter(pl.col("measure") == "PNL")["value"]) == {0.0}


def test_netting_equals_position_by_position() -> None:
    held = [
        row
        for number in range(1, 8)
        for row in (
            equity("B", "ACME", "EUR", 100.0 * number),
            forward("EURUSD", 1e4 * number, 1 + 0.01 * number, date(2027, 7, 1)),
            bond(date(2031, 7, 1), coupon=0.01 * number, quantity=1e4 * number),
            bond(date(2031, 7, 1), coupon=0.02, quantity=-1e4 * number, frequency=4),
        )
    ]
    together = calculated(held, MARKET)
    apart = summed([calculated([row], MARKET) for row in held])
    for key, value in summed([together]).items():
        assert apart[key] == pytest.approx(value, rel=1e-9, abs=1e-6)
    assert summed([together]).keys() == apart.keys()


def test_the_table_is_sorted_and_every_book_has_every_scenario() -> None:
    table = calculated(
        [equity("A", "ACME", "USD", 1), option("TINY", 0.01, date(2027, 1, 1))], MARKET
    )
    assert table.equals(table.sort(*SORT_COLUMNS), null_equal=True)
    for book in ("A", "B"):
        rows = table.filter((pl.col("measure") == "PNL") & (pl.col("book") == book))
        assert rows["scenario"].to_list() == list(range(SCENARIOS))
    assert table.schema == {
        "book": pl.String,
        "measure": pl.String,
        "factor_id": pl.String,
        "tenor": pl.String,
        "scenario": pl.Int32,
        "value": pl.Float64,
    }


def test_a_sum_keeps_what_is_small_beside_what_is_large() -> None:
    held = [
        option("ACME", 50.0, date(2027, 1, 1), quantity=quantity, volatility=volatility)
        for quantity, volatility in ((1e15, 0.2), (-1e15, 0.2 * (1 + 2**-52)), (1, 0.3))
    ]
    large = 1e15 * values(calculated([held[2]]), "PV")[0]
    parts = math.fsum(values(calculated([row]), "PV")[0] for row in held)
    assert values(calculated(held), "PV")[0] == pytest.approx(parts, abs=2e-16 * large)


@pytest.mark.parametrize(
    "held",
    [
        equity("B", "ACME", "USD", 1e307),
        option("ACME", 1.0, date(2027, 1, 1), quantity=1e307),
        bond(date(2027, 1, 1), quantity=1e308, coupon=0.9),
        forward("EURUSD", 1e308, 1e3, date(2027, 1, 1)),
    ],
)
def test_a_figure_beyond_all_numbers_is_said(held: Position) -> None:
    with pytest.raises(OverflowError, match="of book B is too large to be a number"):
        calculated([held])


def test_quantities_of_1e18_are_numbers_like_others() -> None:
    table = calculated([equity("B", "ACME", "USD", 1e18)], moved({("EQ", "ACME"): 0.5}))
    assert values(table, "PNL") == [-2.5e19]


@pytest.mark.skipif(HERE not in GOLDEN, reason=f"GOLDEN has no bits of {HERE} yet")
def test_figures_are_the_same_bits_on_every_host() -> None:
    held = [
        row
        for number in range(1, 40)
        for row in (
            equity("A", "ACME", "EUR", 10.0 * number),
            option("ACME", 30.0 + number, TODAY + timedelta(days=19 * number), currency="EUR"),
            option("TINY", 0.0003 * number, date(2027, 3, 1), kind="P", volatility=0.01 * number),
            bond(TODAY + timedelta(days=211 * number), coupon=0.001 * number),
            forward("EURJPY", 1e4 * number, 150.0 + number, TODAY + timedelta(days=97 * number)),
        )
    ]
    moves: list[Moves] = [
        {
            (kind, name): number * 1e-5 if kind == "RATE" else 1.0 + number * 1e-3
            for kind, name, _, _ in FACTORS
        }
        for number in range(-50, 50)
    ]
    found = calculated(held, moved(*moves))["value"].to_numpy().tobytes()
    assert hashlib.sha256(found).hexdigest() == GOLDEN[HERE]
