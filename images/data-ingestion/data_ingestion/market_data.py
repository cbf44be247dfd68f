"""The market data of a day: every factor's value on every date up to it, in long form.

Columns: date, factor_id, factor_type, tenor, value. EQ is a price in the share's own currency, FX a
currency pair whose id is <currency><base currency>, e.g. EURUSD, and whose value is the price of
one unit; RATE a zero rate (0.03 is 3%, continuously compounded) at a tenor; VOL a volatility.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.domain import DIVIDEND, TENOR, tenor_length
from batchkit.errors import ObjectGoneError, Rejected
from batchkit.runs import FILE_SUFFIXES, market_data_prefix

from data_ingestion.source import first_line

if TYPE_CHECKING:
    from datetime import date

    from batchkit.stage import Context
    from batchkit.storage import Storage

FACTOR_TYPES: Final = ("EQ", "FX", "RATE", "VOL")
FACTOR: Final = ("factor_type", "factor_id", "tenor")
"""What tells one factor from another."""
_COLUMNS: Final = ("date", "factor_id", "factor_type", "tenor", "value")
_MAX_ROWS: Final = 4_000_000
_MAX_BYTES: Final = 256 << 20
"""Of text. What is read is held in memory as a whole, at about 300 bytes a row."""
_MAX_VALUE: Final = 1e12
_MAX_RATE: Final = 2.0
_BLANKS: Final = ' \t\r\n"'


@dataclass(frozen=True)
class MarketData:
    """A day's market data, checked."""

    key: str
    version_id: str | None
    values: pl.DataFrame
    """date (Date), factor_id, factor_type, tenor (may be null), value (Float64); up to the day."""


def load(context: Context, as_of: date) -> MarketData:
    """Read the market data of a date from the input bucket.

    A run that is tried again uses the version that its first attempt used.

    Raises:
        Rejected: there is none for this date, or it cannot be used; the message says why.
    """
    ledger, run = context.ledger, context.run_id
    bucket, storage = context.task.input_bucket, context.storage
    kept = ledger.get(run).get("market_data")
    if not kept:
        kept = ledger.keep_first(run, "market_data", _latest(storage, bucket, as_of))
    key, version_id = str(kept["key"]), kept["version_id"]
    try:
        size = storage.describe(bucket, key, version_id).size
        if size > _MAX_BYTES:
            raise Rejected(_too_large(key))
        content = storage.read(bucket, key, version_id)
    except ObjectGoneError as error:
        raise Rejected(
            f"The market data {key} that this run began with is gone. Upload the positions again."
        ) from error
    return MarketData(key, version_id, read(key, content, as_of))


def _latest(storage: Storage, bucket: str, as_of: date) -> dict[str, str | None]:
    prefix = market_data_prefix(as_of.isoformat())
    wanted = [prefix + suffix.removeprefix(".") for suffix in FILE_SUFFIXES]
    found = {
        key: storage.describe(bucket, key) for key in storage.find(bucket, prefix) if key in wanted
    }
    if not found:
        raise Rejected(
            f"There is no market data for {as_of}, the as_of of these positions. Upload "
            f"{wanted[0]} (or .csv.gz or .parquet), then the positions again."
        )
    # What was corrected may have come with another ending than what it corrects.
    last = max(found, key=lambda key: found[key].written_at)
    return {"key": last, "version_id": found[last].version_id}


def read(key: str, content: bytes, as_of: date) -> pl.DataFrame:
    """Return the market data in a file's bytes, checked and cut at `as_of`, as `MarketData` has it.

    Raises:
        Rejected: the file cannot be read, a value cannot be used, or `as_of` has none.
    """
    try:
        given = _parquet(key, content) if key.endswith(".parquet") else _csv(key, content)
    except pl.exceptions.PanicException as error:
        raise Rejected(
            f"The market data {key} cannot be read: its bytes are damaged. Write and upload it "
            "again, then the positions."
        ) from error
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        raise Rejected(
            f"The market data {key} cannot be read: {first_line(error)}. Is it whole? Upload it "
            "again, then the positions."
        ) from error
    rows = _typed(given, first=1 if key.endswith(".parquet") else 2)
    _check(rows, key)
    until = rows.filter(pl.col("date") <= as_of).drop("line")
    if not (until["date"] == as_of).any():
        last = until.select(pl.col("date").max().cast(pl.String)).item()
        raise Rejected(
            f"The market data {key} has no values for {as_of}, the as_of of these positions"
            + (f"; its last date before is {last}." if last else ".")
        )
    return until


def _csv(key: str, content: bytes) -> pl.DataFrame:
    text = content
    if key.endswith(".gz"):
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
            text = unpacked.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES or text.count(b"\n") > _MAX_ROWS + 1:
        raise Rejected(_too_large(key))
    if not text.strip():
        raise Rejected(f"The market data {key} is empty.")
    header = text[: text.find(b"\n") + 1 or len(text)].decode("utf-8-sig", "replace")
    names = [name.strip(_BLANKS) for name in header.split(",")]
    _has_columns(key, names)
    return pl.read_csv(
        io.BytesIO(text),
        infer_schema=False,
        new_columns=names,
        columns=[names.index(name) for name in _COLUMNS if name in names],
    )


def _parquet(key: str, content: bytes) -> pl.DataFrame:
    scan = pl.scan_parquet(io.BytesIO(content))
    names = scan.collect_schema().names()
    _has_columns(key, names)
    if scan.select(pl.len()).collect().item() > _MAX_ROWS:
        raise Rejected(_too_large(key))
    return scan.select(name for name in _COLUMNS if name in names).collect()


def _has_columns(key: str, names: list[str]) -> None:
    missing = [name for name in _COLUMNS if name not in names and name != "tenor"]
    if missing:
        raise Rejected(
            f"The market data {key} lacks the columns {', '.join(missing)}; it must have "
            f"{', '.join(_COLUMNS)}, separated by commas."
        )


def _too_large(key: str) -> str:
    return (
        f"The market data {key} has more than {_MAX_ROWS:,} rows or {_MAX_BYTES >> 20} MiB of "
        "text. Leave out early dates, or factors that no position has."
    )


def _typed(given: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return the columns typed, and each row's line; what cannot be read is null."""
    if "tenor" not in given.columns:
        given = given.with_columns(pl.lit(None, pl.String).alias("tenor"))
    day = pl.col("date")
    if given.schema["date"] == pl.String:
        day = day.str.strip_chars(_BLANKS).str.to_date("%Y-%m-%d", strict=False)
    elif isinstance(given.schema["date"], pl.Datetime):
        # The day where it was written; a cast would take that of UTC.
        day = day.dt.date()
    elif given.schema["date"] != pl.Date:
        # A number may count days or milliseconds, or be 20260130.
        day = pl.lit(None, pl.Date).alias("date")
    value = pl.col("value")
    if given.schema["value"] == pl.String:
        value = value.str.strip_chars(_BLANKS)
    names = pl.col("factor_id", "factor_type", "tenor").cast(pl.String)
    return given.with_row_index("line", offset=first).select(
        "line",
        day.cast(pl.Date, strict=False),
        names.str.strip_chars(_BLANKS).replace("", None),
        value.cast(pl.Float64, strict=False),
    )


def _check(rows: pl.DataFrame, key: str) -> None:
    """Raise `Rejected` for the first thing that is wrong, with the first row in which it is."""
    for broken, what in _PROBLEMS:
        wrong = rows.filter(broken)
        if not wrong.is_empty():
            row = wrong.row(0, named=True)
            raise Rejected(
                f"The market data {key} cannot be used: line {row['line']} "
                f"({row['factor_id']} on {row['date']}): {what}. {wrong.height} such lines."
            )
    curves = rows.filter(_RATE).select(FACTOR[1:]).unique().sort(FACTOR[1:])
    lengths: dict[tuple[str, int], str] = {}
    for name, tenor in curves.iter_rows():
        # A dividend yield is one number: whatever its tenors, they are alike.
        length = 0 if name.endswith(DIVIDEND) else tenor_length(tenor)
        other = lengths.setdefault((name, length), tenor)
        if other != tenor:
            raise Rejected(
                f"The market data {key} cannot be used: {name} has the tenors {other} and {tenor}, "
                "of which there must be one."
            )


_RATE: Final = pl.col("factor_type") == "RATE"
_PROBLEMS: Final = (
    (pl.col("date").is_null(), "its date is not a date such as 2026-01-30"),
    (pl.col("factor_id").is_null(), "its factor_id is empty"),
    (
        ~pl.col("factor_type").is_in(FACTOR_TYPES).fill_null(value=False),
        f"its factor_type is not one of {', '.join(FACTOR_TYPES)}",
    ),
    (~pl.col("value").is_finite().fill_null(value=False), "its value is not a number"),
    (~_RATE & (pl.col("value") <= 0), "its value is not above 0"),
    (
        ~_RATE & ~pl.col("value").is_between(1 / _MAX_VALUE, _MAX_VALUE),
        f"its value is not between {1 / _MAX_VALUE:.0e} and {_MAX_VALUE:.0e}",
    ),
    (
        _RATE & (pl.col("value").abs() > _MAX_RATE),
        f"its value is beyond ±{_MAX_RATE:.0%} (0.03 is 3%)",
    ),
    (
        (pl.col("factor_type") == "FX") & ~pl.col("factor_id").str.contains("^[A-Z]{6}$"),
        "its factor_id is not a pair of currencies such as EURUSD",
    ),
    (~_RATE & pl.col("tenor").is_not_null(), "its tenor is not empty, which is for RATE only"),
    (
        _RATE
        & ~pl.col("tenor").str.contains(f"^{TENOR}$").fill_null(
            pl.col("factor_id").str.ends_with(DIVIDEND)
        ),
        "its tenor is not a number followed by D, W, M or Y, such as 6M",
    ),
    (
        pl.col("date").is_duplicated().over(FACTOR),
        "its factor stands there twice on that date",
    ),
)  # fmt: skip
"""True where a row is wrong, and what is wrong with it then."""
