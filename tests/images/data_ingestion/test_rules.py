from __future__ import annotations

import polars as pl
import pytest
from batchkit.domain import BlockKind
from data_ingestion.columns import POSITION_SCHEMA, trimmed
from data_ingestion.products import rules
from data_ingestion.scenarios import Block, ScenarioSet
from data_ingestion.validation import QUARANTINE_SCHEMA, Validator

from tests.images.data_ingestion.conftest import AS_OF, BOND, FORWARD, GOOD, OPTION

FACTORS = [
    *(("EQ", name) for name in ("ACME", "CALM", "GAPVOL", "GAPDIV")),
    *(("VOL", name) for name in ("ACME", "GAPDIV")),
    *(("FX", name) for name in ("EURUSD", "CHFUSD", "JPYUSD")),
    *(("RATE", name) for name in ("USD-OIS", "EUR-OIS", "EUR-GOV", "ACME-DIV")),
]
GAPS = {
    ("EQ", "GAPPY"): 1,
    ("VOL", "GAPPY"): 2,
    ("VOL", "GAPVOL"): 3,
    ("RATE", "JPY-OIS"): 4,
    ("RATE", "GAPDIV-DIV"): 5,
}
SCENARIOS = ScenarioSet(
    base_currency="USD",
    blocks=[Block(BlockKind.HISTORICAL, 250, {})],
    factors=pl.DataFrame(FACTORS, schema=["factor_type", "factor_id"], orient="row"),
    gaps=GAPS,
)


def as_read(*rows: dict[str, str]) -> pl.DataFrame:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame(
        [[row.get(name) for name in columns] for row in rows],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    return trimmed(frame).with_row_index("line", 2)


def split(*rows: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    validator = Validator(AS_OF, SCENARIOS)
    good, refused = validator.split(as_read(*rows))
    return good, validator.quarantined(refused)


def test_good_rows_of_every_product_are_kept_typed() -> None:
    good, refused = split(GOOD, FORWARD, OPTION, BOND)
    assert refused.is_empty()
    assert dict(good.schema) == POSITION_SCHEMA
    assert good["quantity"].to_list() == [100.0] * 4
    assert good["coupon_frequency"].to_list() == [None, None, None, 2]


@pytest.mark.parametrize("change", [
    {"option_type": "C"},
    {"option_type": "CALL"},
    {"currency": "USD"},
    {"curve_id": "EUR-OIS"},
    {"maturity": "2026-01-31"},
    {"implied_vol": "5"},
])  # fmt: skip
def test_an_option_may_be(change: dict[str, str]) -> None:
    good, _ = split(OPTION | change)
    assert good["option_type"].to_list() == ["C" if "C" in change.get("option_type", "") else "P"]


@pytest.mark.parametrize("change", [
    {"curve_id": ""},
    {"curve_id": "EUR-GOV", "risk_factor": "EUR-GOV"},
    {"coupon": "0", "coupon_frequency": "0"},
    {"coupon_frequency": "12"},
    {"quantity": "-1e12"},
    {"price": "0"},
    {"price": "-0.25"},
])  # fmt: skip
def test_a_bond_may_be(change: dict[str, str]) -> None:
    assert split(BOND | change)[0].height == 1


BROKEN = [
    (GOOD, {"book": "B\ufffd"}, ["not-utf8"]),
    (GOOD, {"book": "B\x07"}, ["control-character"]),
    (GOOD, {"book": "B\x85"}, ["control-character"]),
    (GOOD, {"counterparty": "x" * 129}, ["too-long"]),
    (GOOD, {"counterparty": "é" * 65}, ["too-long"]),
    (GOOD, {"quantity": "1,5"}, ["unreadable-quantity"]),
    (GOOD, {"quantity": "many"}, ["unreadable-quantity"]),
    (GOOD, {"as_of": "30.01.2026"}, ["unreadable-as_of"]),
    (GOOD, {"as_of": "2026-02-30"}, ["unreadable-as_of"]),
    (GOOD, {"price": "?"}, ["unreadable-price"]),
    (OPTION, {"strike": "?"}, ["unreadable-strike"]),
    (OPTION, {"implied_vol": "20%"}, ["unreadable-implied_vol"]),
    (OPTION, {"maturity": "Dec-26"}, ["unreadable-maturity"]),
    (BOND, {"coupon": "3 %"}, ["unreadable-coupon"]),
    (BOND, {"coupon_frequency": "2.5"}, ["unreadable-coupon_frequency"]),
    (BOND, {"coupon_frequency": "semi"}, ["unreadable-coupon_frequency"]),
    (GOOD, {"quantity": "NaN"}, ["not-finite-quantity"]),
    (GOOD, {"quantity": "-inf"}, ["not-finite-quantity"]),
    (GOOD, {"price": "inf"}, ["not-finite-price"]),
    (OPTION, {"strike": "nan"}, ["not-finite-strike"]),
    (OPTION, {"implied_vol": "nan"}, ["not-finite-implied_vol"]),
    (BOND, {"coupon": "-inf"}, ["not-finite-coupon"]),
    *(
        (GOOD, {name: ""}, [f"missing-{name}"])
        for name in ("position_id", "as_of", "book", "quantity", "product_type", "risk_factor")
    ),
    (GOOD, {"currency": " "}, ["missing-currency"]),
    (GOOD, {"as_of": "2026-01-29"}, ["as-of"]),
    (GOOD, {"product_type": "CRYPTO"}, ["product-type"]),
    (GOOD, {"quantity": "1e18"}, ["quantity-range"]),
    (GOOD, {"quantity": "-1.1e12"}, ["quantity-range"]),
    (GOOD, {"price": "-1e10"}, ["price-range"]),
    (GOOD, {"price": "1e10"}, ["price-range"]),
    (OPTION, {"strike": "1e-307"}, ["strike-range"]),
    (BOND, {"coupon_frequency": "0"}, ["unpaid-coupon"]),
    (BOND, {"currency": "USD"}, ["bond-currency"]),
    (BOND, {"risk_factor": "EURO", "curve_id": "EURO"}, ["bond-currency", "unknown-curve"]),
    (FORWARD, {"strike": "-1"}, ["strike-range"]),
    (OPTION, {"implied_vol": "0"}, ["implied_vol-range"]),
    (OPTION, {"implied_vol": "1e-320"}, ["implied_vol-range"]),
    (OPTION, {"implied_vol": "25"}, ["implied_vol-range"]),
    (OPTION, {"option_type": "X"}, ["option_type-range"]),
    (BOND, {"coupon": "3"}, ["coupon-range"]),
    (BOND, {"coupon": "-0.01"}, ["coupon-range"]),
    (BOND, {"coupon_frequency": "3"}, ["coupon_frequency-range"]),
    *(
        (base, {name: ""}, [f"missing-{name}"])
        for base, names in (
            (OPTION, ("strike", "option_type", "implied_vol", "maturity")),
            (BOND, ("maturity", "coupon", "coupon_frequency")),
            (FORWARD, ("strike", "maturity")),
        )
        for name in names
    ),
    (FORWARD, {"currency2": ""}, ["missing-currency2"]),
    *(
        (GOOD, {name: OPTION[name] or BOND[name] or FORWARD[name]}, [f"stray-{name}"])
        for name in (
            "strike", "option_type", "implied_vol", "maturity", "coupon", "coupon_frequency",
            "currency2", "curve_id",
        )
    ),
    (OPTION, {"coupon": "0"}, ["stray-coupon"]),
    (BOND, {"strike": "90"}, ["stray-strike"]),
    (OPTION, {"maturity": "2026-01-30"}, ["expired"]),
    (FORWARD, {"maturity": "2026-01-30"}, ["expired"]),
    (BOND, {"maturity": "2020-01-30"}, ["expired"]),
    (BOND, {"maturity": "2126-02-01"}, ["maturity-range"]),
    (BOND, {"risk_factor": "EUR-GOV"}, ["bond-curve"]),
    (BOND, {"risk_factor": "EUR-GOV", "curve_id": ""}, ["bond-curve"]),
    (OPTION, {"curve_id": "EUR-GOV"}, ["discount-curve"]),
    (FORWARD, {"curve_id": "USD-OIS"}, ["discount-curve"]),
    (FORWARD, {"risk_factor": "USDEUR"}, ["forward-pair"]),
    (FORWARD, {"risk_factor": "EURXUSD"}, ["forward-pair"]),
    (FORWARD, {"currency2": "EUR", "risk_factor": "EUREUR"}, ["forward-same-currency"]),
    (GOOD, {"risk_factor": "NOBODY"}, ["unknown-instrument"]),
    (GOOD, {"risk_factor": "EURUSD"}, ["unknown-instrument"]),
    (OPTION, {"risk_factor": "NOBODY"}, ["unknown-instrument"]),
    (OPTION, {"risk_factor": "CALM"}, ["unknown-volatility"]),
    (BOND, {"risk_factor": "EUR-XX", "curve_id": "EUR-XX"}, ["unknown-curve"]),
    (
        BOND,
        {"risk_factor": "ACME-DIV", "curve_id": "ACME-DIV"},
        ["bond-currency", "unknown-curve"],
    ),
    (OPTION, {"currency": "CHF"}, ["undiscounted-currency"]),
    (FORWARD, {"currency2": "CHF", "risk_factor": "EURCHF"}, ["undiscounted-currency2"]),
    (GOOD, {"currency": "SEK"}, ["unknown-currency"]),
    (GOOD, {"currency": "euro"}, ["unknown-currency"]),
    (FORWARD, {"currency2": "SEK", "risk_factor": "EURSEK"}, ["unknown-currency2"]),
    (GOOD, {"risk_factor": "GAPPY"}, ["factor-history"]),
    (OPTION, {"risk_factor": "GAPVOL"}, ["factor-history"]),
    (OPTION, {"risk_factor": "GAPDIV"}, ["factor-history"]),
    (OPTION, {"currency": "JPY"}, ["factor-history"]),
    (
        BOND,
        {"currency": "JPY", "risk_factor": "JPY-OIS", "curve_id": "JPY-OIS"},
        ["factor-history"],
    ),
    (FORWARD, {"currency2": "JPY", "risk_factor": "EURJPY"}, ["factor-history"]),
    (GOOD, {"quantity": "x", "book": ""}, ["unreadable-quantity", "missing-book"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    BROKEN,
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_broken_rule_refuses_its_row_and_is_named(
    base: dict[str, str], change: dict[str, str], expected: list[str]
) -> None:
    good, refused = split(GOOD | {"position_id": "P0"}, base | change)
    assert good.height == 1
    (row,) = refused.rows(named=True)
    assert row["rules"] == expected
    assert row["line"] == 3
    columns = [*base, *change, *POSITION_SCHEMA]
    sentences = {rule.id: rule.sentence for rule in rules(columns, AS_OF, SCENARIOS)}
    assert row["reasons"] == " ".join(sentences[rule] for rule in expected)
    assert dict(refused.schema) == QUARANTINE_SCHEMA | {"line": refused.schema["line"]}


def test_every_rule_is_broken_by_a_test() -> None:
    tested = {rule for _, _, expected in BROKEN for rule in expected}
    known = {rule.id for rule in rules([*POSITION_SCHEMA, "_miscounted"], AS_OF, SCENARIOS)}
    assert known - {"duplicate-id", "field-count"} == tested


def test_rules_have_different_ids_and_one_sentence_each() -> None:
    every = rules([*POSITION_SCHEMA, "_miscounted"], AS_OF, SCENARIOS)
    assert len({rule.id for rule in every}) == len(every)
    assert len({rule.sentence for rule in every}) == len(every)
    assert all(rule.sentence.endswith(".") for rule in every)


def test_columns_that_a_file_lacks_are_empty() -> None:
    names = ("position_id", "as_of", "book", "product_type", "risk_factor", "currency", "quantity")
    good, refused = split(
        {name: GOOD[name] for name in names}, {name: BOND[name] for name in names}
    )
    assert good["strike"].to_list() == [None]
    assert refused["rules"].to_list() == [
        ["missing-maturity", "missing-coupon", "missing-coupon_frequency"]
    ]


def test_a_quarantined_row_is_as_it_was_read() -> None:
    _, refused = split(GOOD | {"quantity": "1,5", "price": "010.50"})
    (row,) = refused.rows(named=True)
    assert (row["quantity"], row["price"], row["maturity"]) == ("1,5", "010.50", None)


def test_broken_rules_are_counted_over_all_frames() -> None:
    validator = Validator(AS_OF, SCENARIOS)
    for duplicate in (None, pl.Series([False, True])):
        _, refused = validator.split(as_read(GOOD, GOOD | {"book": ""}), duplicate=duplicate)
        validator.quarantined(refused)
    assert validator.counts == {"missing-book": 2, "duplicate-id": 1}


def test_rows_that_are_left_for_later_are_neither_good_nor_refused() -> None:
    validator = Validator(AS_OF, SCENARIOS)
    rows = as_read(*[GOOD, GOOD | {"book": ""}] * 2)
    good, refused = validator.split(rows, leave=pl.Series([False, False, True, True]))
    assert (good.height, validator.quarantined(refused)["line"].to_list()) == (1, [3])
    assert validator.counts == {"missing-book": 1}
