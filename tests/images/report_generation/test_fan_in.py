from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from batchkit.errors import ObjectConflictError
from report_generation.fan_in import losses_by_book, present_values, sensitivities, summed

SCHEMA: dict[str, Any] = {
    "book": pl.String,
    "measure": pl.String,
    "factor_id": pl.String,
    "scenario": pl.Int32,
    "value": pl.Decimal(38, 21),
}


def file(*rows: tuple[str, str, str | None, int | None, str], made_with: str = "h") -> bytes:
    buffer = io.BytesIO()
    frame = pl.DataFrame([(*row[:4], Decimal(row[4])) for row in rows], schema=SCHEMA, orient="row")
    frame.write_parquet(buffer, metadata={"scenario_sha256": made_with})
    return buffer.getvalue()


FIRST = file(
    ("A", "PNL", None, 0, "0.1"),
    ("A", "PNL", None, 1, "-1e16"),
    ("A", "PV", None, None, "5"),
    ("A", "EQ_DELTA", "X", None, "7"),
)
SECOND = file(
    ("A", "PNL", None, 0, "0.2"),
    ("A", "PNL", None, 1, "1e-21"),
    ("A", "PV", None, None, "6"),
    ("B", "PNL", None, 0, "1"),
    ("B", "PNL", None, 1, "2"),
    ("B", "FX_DELTA", "EURUSD", None, "8"),
)


def test_figures_add_up_exactly_in_any_order() -> None:
    figures = summed(iter([FIRST, SECOND]), "h")
    assert figures.equals(summed(iter([SECOND, FIRST]), "h"))
    losses = losses_by_book(figures, 2)
    assert losses["A"] == [Decimal("-0.3"), Decimal("9999999999999999.999999999999999999999")]
    assert losses["B"] == [Decimal(-1), Decimal(-2)]
    assert present_values(figures) == {"A": Decimal(11)}
    assert sensitivities(figures).rows() == [
        ("EQ_DELTA", "A", "X", 7.0),
        ("FX_DELTA", "B", "EURUSD", 8.0),
    ]


def test_figures_of_another_scenario_set_are_not_added() -> None:
    other = file(("A", "PV", None, None, "1"), made_with="other")
    with pytest.raises(ObjectConflictError, match="scenario set other, and the run's is h"):
        summed(iter([FIRST, other]), "h")


def test_a_scenario_too_few_is_noticed() -> None:
    with pytest.raises(ObjectConflictError, match="Book A has 2 P&L figures for 3 scenarios"):
        losses_by_book(summed(iter([FIRST]), "h"), 3)
