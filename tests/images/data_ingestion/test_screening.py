from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from data_ingestion import csv_text, screening
from data_ingestion.columns import CATEGORY, POSITION_SCHEMA, as_text, typed
from data_ingestion.products import rules, with_products
from data_ingestion.rules import DUPLICATE, Rule
from data_ingestion.screening import Screen

from tests.images.data_ingestion.conftest import AS_OF
from tests.images.data_ingestion.test_conversion import in_chunks, sample
from tests.images.data_ingestion.test_rules import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator


def frames(rows: int) -> Iterator[pl.DataFrame]:
    content = sample(rows, 11, tidy=True)
    return (batch.frame for batch in csv_text.csv_batches(in_chunks(content)))


def checks(frame: pl.DataFrame) -> list[Rule]:
    return rules(frame.columns, AS_OF, SCENARIOS)


def wide(frame: pl.DataFrame) -> pl.LazyFrame:
    return with_products(typed(frame)).with_columns(pl.lit(value=False).alias(DUPLICATE))


def broken(screen: Screen, frame: pl.DataFrame) -> pl.Series:
    return screen.screened(frame, wide(frame), [])[1]


@pytest.mark.parametrize("most_known", [100_000, 1])
def test_the_rows_that_break_a_rule_are_found_whatever_was_seen_before(
    most_known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "_MOST_KNOWN", most_known)
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", 50_000)
    screens: dict[int, Screen] = {}
    found = 0
    for frame in frames(4000):
        screen = screens.setdefault(frame.width, Screen.of(checks(frame), frame.schema))
        every = pl.any_horizontal(rule.broken for rule in checks(frame)).fill_null(value=False)
        expected = wide(as_text(frame)).select(every).collect().to_series()
        assert broken(screen, frame).to_list() == expected.to_list()
        found += expected.to_list().count(True)
    assert found > 1000


def test_what_concerns_categories_alone_is_asked_of_their_combinations() -> None:
    frame = next(frames(100))
    screen = Screen.of(checks(frame), frame.schema)
    instrument = ["currency", "currency2", "curve_id", "option_type", "product_type", "risk_factor"]
    assert sorted(values.columns for values in screen.of_values) == [
        ["as_of"],
        ["book"],
        ["counterparty"],
        instrument,
    ]
    text = pl.Schema(dict.fromkeys(POSITION_SCHEMA, pl.String()))
    assert Screen.of(checks(frame), text).of_values == []


def test_a_file_without_a_column_of_categories_is_screened_all_the_same() -> None:
    frame = next(frames(100)).drop("currency2", "curve_id")
    screen = Screen.of(checks(frame), frame.schema)
    forwards = as_text(frame)["product_type"] == "FXFWD"
    assert broken(screen, frame).filter(forwards).all()
    assert frame.schema["currency"] == CATEGORY
