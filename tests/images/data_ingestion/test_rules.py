from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from data_ingestion.columns import POSITION_SCHEMA, cleaned
from data_ingestion.rules import rules
from data_ingestion.validation import QUARANTINE_SCHEMA, Validator

from tests.images.data_ingestion.conftest import AS_OF, FORWARD, GOOD

if TYPE_CHECKING:
    from data_ingestion.scenarios import ScenarioSet


def split(scenarios: ScenarioSet, *rows: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame(
        [[row.get(name) for name in columns] for row in rows],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    return Validator(AS_OF, scenarios).split(cleaned(frame).with_row_index("line", 2))


def test_good_rows_are_kept_typed(scenarios: ScenarioSet) -> None:
    good, refused = split(scenarios, GOOD, FORWARD | {"position_id": "P2"})
    assert refused.is_empty()
    assert dict(good.schema) == POSITION_SCHEMA
    assert good["quantity"].to_list() == [100.0, 100.0]
    assert good["maturity"].to_list()[0] is None


BROKEN = [
    ({"_extra": "more"}, ["too-many-fields"]),
    ({"book": "B\ufffd"}, ["not-utf8"]),
    ({"book": "B\x07"}, ["text"]),
    ({"counterparty": "x" * 129}, ["text"]),
    ({"quantity": "1,5"}, ["unreadable-quantity"]),
    ({"quantity": "many"}, ["unreadable-quantity"]),
    ({"as_of": "30.01.2026"}, ["unreadable-as_of"]),
    ({"as_of": "2026-02-30"}, ["unreadable-as_of"]),
    ({"quantity": "NaN"}, ["not-finite-quantity"]),
    ({"quantity": "-inf"}, ["not-finite-quantity"]),
    ({"price": "inf"}, ["not-finite-price"]),
    *(({name: ""}, [f"missing-{name}"]) for name in ("position_id", "as_of", "book", "quantity")),
    ({"product_type": ""}, ["missing-product_type"]),
    ({"risk_factor": ""}, ["missing-risk_factor"]),
    ({"currency": " "}, ["missing-currency"]),
    ({"as_of": "2026-01-29"}, ["as-of"]),
    ({"product_type": "BOND"}, ["product-type"]),
    ({"currency": "euro"}, ["code-currency"]),
    ({"quantity": "1e18"}, ["quantity-range"]),
    ({"quantity": "-1.1e12"}, ["quantity-range"]),
    ({"price": "0"}, ["price-range"]),
    ({"risk_factor": "NOBODY"}, ["unknown-instrument"]),
    ({"risk_factor": "EURUSD"}, ["unknown-instrument"]),
    ({"risk_factor": "GAPPY"}, ["factor-history"]),
    ({"currency": "SEK"}, ["unknown-currency"]),
    ({"quantity": "x", "book": ""}, ["unreadable-quantity", "missing-book"]),
]
BROKEN_FORWARDS = [
    ({"currency2": "", "risk_factor": "EUR"}, ["forward-currency2"]),
    ({"currency2": "SEK", "risk_factor": "EURSEK"}, ["unknown-currency2"]),
    ({"strike": ""}, ["forward-strike"]),
    ({"strike": "-1"}, ["strike-range"]),
    ({"maturity": ""}, ["forward-maturity"]),
    ({"maturity": "2026-01-30"}, ["forward-expired"]),
    ({"risk_factor": "USDEUR"}, ["forward-pair"]),
    ({"currency2": "EUR", "risk_factor": "EUREUR"}, ["forward-same-currency"]),
]


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    [(GOOD, *case) for case in BROKEN] + [(FORWARD, *case) for case in BROKEN_FORWARDS],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_broken_rule_refuses_its_row_and_is_named(
    scenarios: ScenarioSet, base: dict[str, str], change: dict[str, str], expected: list[str]
) -> None:
    good, refused = split(scenarios, GOOD | {"position_id": "P0"}, base | change)
    assert good.height == 1
    (row,) = refused.rows(named=True)
    assert row["rules"] == expected
    assert row["line"] == 3
    columns = [*base, *change, *POSITION_SCHEMA]
    sentences = {rule.id: rule.sentence for rule in rules(columns, AS_OF, scenarios)}
    assert row["reasons"] == " ".join(sentences[rule] for rule in expected)
    assert dict(refused.schema) == QUARANTINE_SCHEMA | {"line": refused.schema["line"]}


def test_every_rule_is_broken_by_a_test(scenarios: ScenarioSet) -> None:
    tested = {rule for _, expected in BROKEN + BROKEN_FORWARDS for rule in expected}
    known = {rule.id for rule in rules([*POSITION_SCHEMA, "_extra"], AS_OF, scenarios)}
    of_unused_columns = {
        rule
        for rule in known
        for name in ("implied_vol", "coupon", "coupon_frequency", "strike", "price", "maturity")
        if rule in {f"unreadable-{name}", f"not-finite-{name}"}
    }
    assert known - of_unused_columns - {"duplicate-id", "code-currency2"} <= tested


def test_a_quarantined_row_is_as_it_was_read(scenarios: ScenarioSet) -> None:
    _, refused = split(scenarios, GOOD | {"quantity": "1,5", "price": "010.50"})
    (row,) = refused.rows(named=True)
    assert (row["quantity"], row["price"], row["maturity"]) == ("1,5", "010.50", None)


def test_a_position_id_counts_once_over_all_frames(scenarios: ScenarioSet) -> None:
    validator = Validator(AS_OF, scenarios)
    frame = pl.DataFrame([GOOD, GOOD]).with_row_index("line", 2)
    for kept in (1, 0):
        good, refused = validator.split(cleaned(frame))
        assert good.height == kept
        assert set(refused["rules"].explode()) == {"duplicate-id"}
    assert validator.counts == {"duplicate-id": 3}
