from __future__ import annotations

import gzip
import io
from datetime import date
from typing import TYPE_CHECKING

import pytest
from batchkit.errors import Rejected
from data_ingestion.market_data import _read, checked

from tests.images.data_ingestion.conftest import AS_OF, market_csv, market_rows

if TYPE_CHECKING:
    import polars as pl

KEY = "market-data/2026-01-30.csv"
ROWS = market_rows(5)


def load(content: bytes, key: str = KEY, as_of: date = AS_OF) -> pl.DataFrame:
    return checked(_read(key, content), key, as_of)


def test_csv_gzip_and_parquet_say_the_same() -> None:
    plain = load(market_csv(ROWS))
    assert load(gzip.compress(market_csv(ROWS)), KEY + ".gz").equals(plain)
    buffer = io.BytesIO()
    plain.write_parquet(buffer)
    assert load(buffer.getvalue(), KEY.replace("csv", "parquet")).equals(plain)


def test_what_comes_after_the_date_is_not_seen() -> None:
    later = [*ROWS, ("2026-02-02", "ACME", "EQ", "", "99")]
    assert load(market_csv(later)).equals(load(market_csv(ROWS)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("30/01/2026", "X", "EQ", "", "1"), r"line 21 .*its date is not a date"),
        (("2026-01-30", "", "EQ", "", "1"), "its factor_id is empty"),
        (("2026-01-30", "X", "CDS", "", "1"), "factor_type is not one of EQ, FX, RATE, VOL"),
        (("2026-01-30", "X", "EQ", "", "high"), r"\(X on 2026-01-30\): its value is not a number"),
        (("2026-01-30", "X", "EQ", "", "NaN"), "its value is not a number"),
        (("2026-01-30", "X", "EQ", "", "0"), "its value is not above 0"),
        (("2026-01-30", "ACME", "EQ", "", "7"), "stands there twice"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_line(
    row: tuple[str, str, str, str, str], message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        load(market_csv([*ROWS, row]))


def test_a_rate_may_be_negative() -> None:
    load(market_csv([*ROWS, ("2026-01-30", "CHF-OIS", "RATE", "1Y", "-0.0075")]))


def test_a_missing_date_is_said_with_the_last_one_there_is() -> None:
    with pytest.raises(Rejected, match=r"no values for 2026-01-31.*last date before is 2026-01-30"):
        load(market_csv(ROWS), as_of=date(2026, 1, 31))
    with pytest.raises(Rejected, match=r"no values for 2020-01-01, the as_of of these positions\."):
        load(market_csv(ROWS), as_of=date(2020, 1, 1))


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        (KEY, b"", "cannot be read"),
        (KEY, b"a,b\n1,2\n", "lacks the columns date, factor_id"),
        (KEY + ".gz", gzip.compress(market_csv(ROWS))[:-20], "cannot be read"),
        ("market-data/2026-01-30.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(key: str, content: bytes, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        load(content, key)
