"""The market data of a day: every factor's value on every date up to it, in long form.

Columns: date, factor_id, factor_type, tenor, value. EQ is a price in the share's own currency, FX a
currency pair whose id is <currency><base currency>, e.g. EURUSD, and whose value is the price of
one unit; RATE a zero rate (0.03 is 3%, continuously compounded) at a tenor; VOL a volatility.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import ObjectGoneError, Rejected
from batchkit.runs import market_data_prefix

from data_ingestion.source import SUFFIXES, first_line

if TYPE_CHECKING:
    from datetime import date

    from batchkit.stage import Context

FACTOR_TYPES: Final = ("EQ", "FX", "RATE", "VOL")
DIVIDEND: Final = "-DIV"
"""After an equity: its dividend yield, a RATE that nothing is discounted on."""
FACTOR: Final = ("factor_type", "factor_id", "tenor")
"""What tells one factor from another."""
_COLUMNS: Final = ("date", "factor_id", "factor_type", "tenor", "value")


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
    bucket = context.task.input_bucket
    storage = context.storage
    prefix = market_data_prefix(as_of.isoformat())
    wanted = [prefix + suffix.removeprefix(".") for suffix in SUFFIXES]
    found = [key for key in storage.find(bucket, prefix) if key in wanted]
    if not found:
        raise Rejected(
            f"There is no market data for {as_of}, the as_of of these positions. Upload "
            f"{wanted[0]} (or .csv.gz or .parquet), then the positions again."
        )
    pinned = context.ledger.keep_first(
        context.run_id,
        "market_data",
        {"key": found[0], "version_id": storage.describe(bucket, found[0]).version_id},
    )
    key, version_id = str(pinned["key"]), pinned["version_id"]
    try:
        content = storage.read(bucket, key, version_id)
    except ObjectGoneError as error:
        raise Rejected(
            f"The market data {key} that this run began with is gone. Upload the positions again."
        ) from error
    return MarketData(key, version_id, checked(_read(key, content), key, as_of))


def _read(key: str, content: bytes) -> pl.DataFrame:
    try:
        if key.endswith(".parquet"):
            frame = pl.read_parquet(io.BytesIO(content))
        else:
            text = gzip.decompress(content) if key.endswith(".gz") else content
            frame = pl.read_csv(io.BytesIO(text), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise Rejected(f"The market data {key} cannot be read: {first_line(error)}") from error
    if "tenor" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("tenor"))
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise Rejected(
            f"The market data {key} lacks the columns {', '.join(missing)}; it must have "
            f"{', '.join(_COLUMNS)}."
        )
    return frame.select(_COLUMNS)


def checked(frame: pl.DataFrame, key: str, as_of: date) -> pl.DataFrame:
    """Return the market data typed and cut at `as_of`.

    Raises:
        Rejected: a value cannot be used, stands there twice, or `as_of` has none.
    """
    day = pl.col("date")
    rows = frame.with_row_index("line", offset=2).select(
        "line",
        (day.str.to_date("%Y-%m-%d", strict=False) if frame.schema["date"] == pl.String
         else day.cast(pl.Date, strict=False)).alias("date"),
        pl.col("factor_id").cast(pl.String),
        pl.col("factor_type").cast(pl.String),
        pl.col("tenor").cast(pl.String).replace("", None),
        pl.col("value").cast(pl.Float64, strict=False),
    )  # fmt: skip
    positive = (pl.col("factor_type") == "RATE") | (pl.col("value") > 0)
    for broken, what in (
        (pl.col("date").is_null(), "its date is not a date such as 2026-01-30"),
        (pl.col("factor_id").is_null(), "its factor_id is empty"),
        (~pl.col("factor_type").is_in(FACTOR_TYPES).fill_null(value=False),
         f"its factor_type is not one of {', '.join(FACTOR_TYPES)}"),
        (~pl.col("value").is_finite().fill_null(value=False), "its value is not a number"),
        (~positive, "its value is not above 0"),
        (pl.struct("date", *FACTOR).is_duplicated(), "its factor stands there twice on that date"),
    ):  # fmt: skip
        wrong = rows.filter(broken)
        if not wrong.is_empty():
            row = wrong.row(0, named=True)
            raise Rejected(
                f"The market data {key} cannot be used: line {row['line']} "
                f"({row['factor_id']} on {row['date']}): {what}. {wrong.height} such lines."
            )
    until = rows.filter(pl.col("date") <= as_of).drop("line")
    if not (until["date"] == as_of).any():
        last = until.select(pl.col("date").max().cast(pl.String)).item()
        raise Rejected(
            f"The market data {key} has no values for {as_of}, the as_of of these positions"
            + (f"; its last date before is {last}." if last else ".")
        )
    return until
