"""The columns of a positions file: what they are called and how their text is read."""

from __future__ import annotations

from typing import Final

import polars as pl

POSITION_SCHEMA: Final[dict[str, pl.DataType]] = {
    "position_id": pl.String(),
    "as_of": pl.Date(),
    "book": pl.String(),
    "counterparty": pl.String(),
    "product_type": pl.String(),
    "risk_factor": pl.String(),
    "currency": pl.String(),
    "quantity": pl.Float64(),
    "price": pl.Float64(),
    "strike": pl.Float64(),
    "option_type": pl.String(),
    "implied_vol": pl.Float64(),
    "maturity": pl.Date(),
    "coupon": pl.Float64(),
    "coupon_frequency": pl.Int32(),
    "curve_id": pl.String(),
    "currency2": pl.String(),
}
"""Every column of a shard, in order. Numbers use a point; dates are ISO 8601, e.g. 2026-01-30."""

REQUIRED_COLUMNS: Final = (
    "position_id",
    "as_of",
    "book",
    "product_type",
    "risk_factor",
    "currency",
    "quantity",
)
"""Without these a file is not a positions file. The others may be absent: then they are empty."""

REPEATING: Final = (
    "as_of",
    "book",
    "counterparty",
    "product_type",
    "risk_factor",
    "currency",
    "option_type",
    "curve_id",
    "currency2",
)
"""Columns in which the same few texts come again and again."""

CATEGORY: Final = pl.Categorical(pl.Categories("positions"))
"""Text as a number of its own. What number is whose is forgotten when no rows use it any more."""

LINE: Final = "line"
"""Where a row stood in its file: CSV lines count from 1 with the header, Parquet rows from 1."""
MISCOUNTED: Final = "_miscounted"
"""Whether a CSV line has more or fewer fields than the header; absent where none has."""
CUT: Final = "\x1e"
"""Stands in the field after the last of a CSV line that has too few."""
RAW_PREFIX: Final = "raw:"
"""Before the name of a column as it was read, beside the same column typed."""
_MAX_CATEGORIES: Final = 200_000


def header_problem(columns: list[str]) -> str | None:
    """Say what is wrong with a file's columns, or return None."""
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t|"):
        return "Its columns must be separated by commas."
    known = ", ".join(POSITION_SCHEMA)
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    unknown = [name or "(no name)" for name in columns if name not in POSITION_SCHEMA]
    if missing:
        others = f", and has unknown columns: {', '.join(unknown)}" if unknown else ""
        return f"It lacks the columns {', '.join(missing)}{others}. A positions file has {known}."
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        return f"It has the columns {', '.join(twice)} more than once."
    if unknown:
        return f"It has unknown columns: {', '.join(unknown)}. A positions file has {known}."
    return None


def type_problem(schema: dict[str, pl.DataType]) -> str | None:
    """Say which column of a Parquet file cannot be what it must be, or return None.

    Text is read as in a CSV file. A number as a date is refused, for it may count days,
    milliseconds, or be 20260130.
    """
    for name, given in schema.items():
        wanted = POSITION_SCHEMA[name]
        if given in (wanted, pl.String, pl.Categorical, pl.Enum, pl.Null):
            continue
        if wanted == pl.Date:
            fits, what = given == pl.Datetime, "dates"
        elif wanted.is_numeric():
            fits, what = given.is_numeric(), "numbers"
        else:
            fits, what = given.is_integer(), "text"
        if not fits:
            return f"Its column {name} is of the type {given} and must hold {what}."
    return None


def trimmed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return text without surrounding blanks and quotes; what is empty then is null."""
    text = pl.col(pl.String)
    return frame.with_columns(text.str.strip_chars(' \t"').replace("", None))


def as_categories(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows as read with the text of `REPEATING` columns as categories."""
    text = [name for name in REPEATING if frame.schema.get(name) == pl.String]
    return frame.cast(dict.fromkeys(text, CATEGORY))


def has_many_categories(frame: pl.DataFrame) -> bool:
    """Whether there are too many different texts to keep all in memory, which categories do.

    All columns, and all frames before this one, share the same categories.
    """
    numbers = frame.select(pl.col(CATEGORY).to_physical().max())
    return any(number > _MAX_CATEGORIES for row in numbers.rows() for number in row if number)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows as read with categories as text, and without `CUT`."""
    text = frame.cast({CATEGORY: pl.String})
    if MISCOUNTED not in text.columns:
        return text
    return text.with_columns(pl.col(pl.String).replace(CUT, None))


def picked(frame: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """Return the rows that are wanted, without holding on to the text of the others."""
    numbers = wanted.arg_true()
    if 2 * numbers.len() > frame.height:
        return frame.filter(wanted)
    # Of few rows what `filter` returns has room for all, and shares the memory of all their texts;
    # what is gathered has room for itself, and what is joined has its own.
    return frame[numbers].with_columns(pl.col(pl.String) + "")


def typed(frame: pl.DataFrame) -> pl.LazyFrame:
    """Return a query for every column of `POSITION_SCHEMA`, beside what was read (prefixed).

    What was read as categories stays so. What cannot be read as its column's type is null there;
    the rules compare it with what was read.
    """
    read = [
        _parsed(name, frame.schema[name], dtype).alias(name)
        if name in frame.columns
        else pl.lit(None, dtype).alias(name)
        for name, dtype in POSITION_SCHEMA.items()
    ]
    as_read = [pl.col(name).alias(RAW_PREFIX + name) for name in frame.columns if name != LINE]
    return frame.lazy().select(*read, *as_read)


def _parsed(name: str, given: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if given in (wanted, CATEGORY):
        return column
    if wanted == pl.Date and given == pl.String:
        return column.str.to_date("%Y-%m-%d", strict=False, cache=False)
    if given == pl.Datetime:
        # The day where it was written; a cast would take that of UTC.
        return column.dt.date()
    if wanted == pl.Int32 and given.is_numeric() and not given.is_integer():
        # A cast would cut off what comes after the point.
        number = column.cast(pl.Float64)
        return pl.when(number == number.floor()).then(number).cast(wanted, strict=False)
    return column.cast(wanted, strict=False)


def with_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a Parquet file with text where the column is one of text, or has no type.

    A column without any value has no type; an id may have been written as a number.
    """
    text = [name for name in frame.columns if POSITION_SCHEMA[name] == pl.String]
    untyped = frame.cast({pl.Categorical: pl.String, pl.Enum: pl.String, pl.Null: pl.String})
    return untyped.cast(dict.fromkeys(text, pl.String()))
