from __future__ import annotations

import gzip
import io
from datetime import date

import polars as pl
import pytest
from batchkit.errors import Rejected
from data_ingestion import market_data
from data_ingestion.market_data import read

from tests.images.data_ingestion.conftest import AS_OF, market_csv, market_rows

KEY = "market-data/2026-01-30.csv"
PARQUET = "market-data/2026-01-30.parquet"
ROWS = market_rows(5)


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def load(content: bytes, key: str = KEY, as_of: date = AS_OF) -> pl.DataFrame:
    return read(key, content, as_of)


def test_csv_gzip_and_parquet_say_the_same() -> None:
    plain = load(market_csv(ROWS))
    assert load(gzip.compress(market_csv(ROWS)), KEY + ".gz").equals(plain)
    assert load(parquet(plain), PARQUET).equals(plain)


def test_what_a_spreadsheet_adds_to_a_csv_is_read_over() -> None:
    header, *lines = market_csv(ROWS).decode().splitlines()
    quoted = [",".join(f'"{field} "' for field in line.split(",")) for line in lines]
    columns = header.replace(",", " , ") + ",remark"
    content = "\r\n".join([columns, *(f"{line},seen" for line in quoted), ""])
    assert load(b"\xef\xbb\xbf" + content.encode()).equals(load(market_csv(ROWS)))


def test_parquet_may_hold_other_types_of_the_same_meaning() -> None:
    plain = load(market_csv(ROWS))
    other = plain.with_columns(
        pl.col("date").cast(pl.Datetime("ms")),
        pl.col("factor_id", "factor_type").cast(pl.Categorical),
        pl.col("value").cast(pl.String),
    )
    assert load(parquet(other), PARQUET).equals(plain)


def test_a_time_in_a_zone_is_the_day_that_it_is_there() -> None:
    plain = load(market_csv(ROWS))
    midnight = pl.col("date").cast(pl.Datetime).dt.replace_time_zone("Asia/Tokyo")
    assert load(parquet(plain.with_columns(midnight)), PARQUET).equals(plain)


def test_a_number_in_parquet_is_no_date() -> None:
    numbers = load(market_csv(ROWS)).with_columns(pl.col("date").cast(pl.Int32))
    with pytest.raises(Rejected, match=r"line 1 .*its date is not a date"):
        load(parquet(numbers), PARQUET)


def test_a_file_without_tenors_has_none() -> None:
    shares = [row for row in ROWS if row[2] == "EQ"]
    content = market_csv([(day, name, kind, value) for day, name, kind, _, value in shares])
    assert load(content.replace(b"tenor,", b"")).equals(load(market_csv(shares)))


def test_what_comes_after_the_date_is_not_seen() -> None:
    later = [*ROWS, ("2026-02-02", "ACME", "EQ", "", "99")]
    assert load(market_csv(later)).equals(load(market_csv(ROWS)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("30/01/2026", "X", "EQ", "", "1"), f"line {len(ROWS) + 2} .*its date is not a date"),
        (("2026-01-30", "", "EQ", "", "1"), "its factor_id is empty"),
        (("2026-01-30", "X", "CDS", "", "1"), "factor_type is not one of EQ, FX, RATE, VOL"),
        (("2026-01-30", "X", "EQ", "", "high"), r"\(X on 2026-01-30\): its value is not a number"),
        (("2026-01-30", "X", "EQ", "", "NaN"), "its value is not a number"),
        (("2026-01-30", "X", "EQ", "", ""), "its value is not a number"),
        (("2026-01-30", "X", "EQ", "", "0"), "its value is not above 0"),
        (("2026-01-30", "X", "VOL", "", "0"), "its value is not above 0"),
        (("2026-01-30", "X", "VOL", "", "-0.2"), "its value is not above 0"),
        (("2026-01-30", "X", "EQ", "", "1e-300"), "its value is not between 1e-12 and 1e.12"),
        (("2026-01-30", "EUR-GOV", "RATE", "1Y", "4.3"), r"beyond ±200% \(0.03 is 3%\)"),
        (("2026-01-30", "EUR", "FX", "", "1.1"), "not a pair of currencies such as EURUSD"),
        (("2026-01-30", "ACME", "VOL", "1Y", "0.2"), "its tenor is not empty, which is for RATE"),
        (("2026-01-30", "EUR-GOV", "RATE", "", "0.03"), "its tenor is not a number followed by D"),
        (("2026-01-30", "EUR-GOV", "RATE", "1.5Y", "0.03"), "its tenor is not a number followed"),
        (("2026-01-30", "ACME", "EQ", "", "7"), "stands there twice"),
        (("2026-01-30", "EUR-OIS", "RATE", "12M", "0.1"), "EUR-OIS has the tenors 12M and 1Y"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_line(
    row: tuple[str, str, str, str, str], message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        load(market_csv([*ROWS, row]))


@pytest.mark.parametrize(
    "row",
    [
        ("2026-01-30", "CHF-OIS", "RATE", "1Y", "-0.0075"),
        ("2026-01-30", "NEW-DIV", "RATE", "", "0.02"),
        ("2026-01-30", "NEW-DIV", "RATE", "1Y", "0"),
    ],
)
def test_rates_may_be_negative_and_dividend_yields_need_no_tenor(
    row: tuple[str, str, str, str, str],
) -> None:
    assert load(market_csv([*ROWS, row])).height == len(ROWS) + 1


def test_a_dividend_yield_of_two_tenors_is_refused() -> None:
    both = [("2026-01-30", "NEW-DIV", "RATE", tenor, "0.02") for tenor in ("1Y", "2Y")]
    with pytest.raises(Rejected, match="NEW-DIV has the tenors 1Y and 2Y"):
        load(market_csv([*ROWS, *both]))


def test_a_missing_date_is_said_with_the_last_one_there_is() -> None:
    with pytest.raises(Rejected, match=r"no values for 2026-01-31.*last date before is 2026-01-30"):
        load(market_csv(ROWS), as_of=date(2026, 1, 31))
    with pytest.raises(Rejected, match=r"no values for 2020-01-01, the as_of of these positions\."):
        load(market_csv(ROWS), as_of=date(2020, 1, 1))


GZIPPED = gzip.compress(market_csv(ROWS), mtime=0)


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        (KEY, b"\n", "is empty"),
        (KEY + ".gz", b"", "is empty"),
        (KEY, b"a,b\n1,2\n", "lacks the columns date, factor_id"),
        (KEY, b"date;factor_id;factor_type;value\n", "separated by commas"),
        (KEY, market_csv(ROWS).splitlines(keepends=True)[0], "no values for 2026-01-30"),
        (KEY, market_csv(ROWS) + b"2026-01-30,M\xfcller,EQ,,1\n", "cannot be read"),
        (KEY, market_csv([("2026-01-30", "X", "EQ", "", '1,5"')]), "cannot be read"),
        (KEY + ".gz", GZIPPED[:-20], "cannot be read: .* Is it whole"),
        (KEY + ".gz", GZIPPED[:40] + b"\xff" * 20 + GZIPPED[60:], "cannot be read"),
        (KEY + ".gz", market_csv(ROWS), "cannot be read: Not a gzipped file"),
        (PARQUET, b"PAR1", "cannot be read"),
        (PARQUET, b"", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(key: str, content: bytes, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        load(content, key)


@pytest.mark.parametrize("key", [KEY, KEY + ".gz", PARQUET])
def test_more_than_fits_into_memory_is_refused_before_it_is_read(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {
        KEY: market_csv(ROWS),
        KEY + ".gz": GZIPPED,
        PARQUET: parquet(load(market_csv(ROWS))),
    }
    monkeypatch.setattr(market_data, "_MAX_ROWS", len(ROWS))
    assert load(content[key], key).height == len(ROWS)
    monkeypatch.setattr(market_data, "_MAX_ROWS", len(ROWS) - 1)
    with pytest.raises(Rejected, match="has more than"):
        load(content[key], key)


def test_the_bytes_of_an_unpacked_file_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_data, "_MAX_BYTES", len(market_csv(ROWS)) - 1)
    with pytest.raises(Rejected, match="has more than"):
        load(GZIPPED, KEY + ".gz")
