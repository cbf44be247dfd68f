from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from data_ingestion.columns import picked, type_problem


def resident_mb() -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


@pytest.mark.parametrize("every", [1000, 3, 1])
def test_rows_are_picked_in_their_order(every: int) -> None:
    wanted = pl.Series([number % every == 0 for number in range(3000)])
    frame = pl.DataFrame({"n": range(3000)})
    assert picked(frame, wanted)["n"].to_list() == list(range(0, 3000, every))


def test_a_few_picked_rows_do_not_keep_the_others_in_memory() -> None:
    wanted = pl.Series([number % 1000 == 0 for number in range(100_000)])
    before = resident_mb()
    kept = []
    for block in range(60):
        text = pl.format("block-{}-has-a-long-identifier-{}", pl.lit(block), pl.int_range(100_000))
        kept.append(picked(pl.select(id=text), wanted))
    assert sum(frame.height for frame in kept) == 6000
    assert resident_mb() - before < 100  # all of them take 250


@pytest.mark.parametrize(
    ("column", "dtype", "problem"),
    [
        ("as_of", pl.Datetime("us"), None),
        ("as_of", pl.String(), None),
        ("as_of", pl.Int64(), "Its column as_of is of the type Int64 and must hold dates."),
        ("quantity", pl.Decimal(20, 2), None),
        ("quantity", pl.Int64(), None),
        ("quantity", pl.Boolean(), "of the type Boolean and must hold numbers"),
        ("strike", pl.Null(), None),
        ("book", pl.Categorical(), None),
        ("position_id", pl.Int64(), None),
        ("book", pl.Float64(), "of the type Float64 and must hold text"),
    ],
)
def test_a_parquet_columns_type_is_looked_at(
    column: str, dtype: pl.DataType, problem: str | None
) -> None:
    found = type_problem({column: dtype})
    assert found is None if problem is None else problem in str(found)
