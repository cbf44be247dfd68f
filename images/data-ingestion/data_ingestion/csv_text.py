"""Reads the bytes of a CSV file, gzipped or not, as batches of rows."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import Rejected

from data_ingestion.batch import EMPTY, Batch
from data_ingestion.columns import (
    CATEGORY,
    CUT,
    LINE,
    MISCOUNTED,
    REPEATING,
    as_categories,
    has_many_categories,
    header_problem,
    trimmed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_BYTES: Final = 1 << 20
"""What is read or unpacked at once."""
_BLOCK_BYTES: Final = 16 << 20
_MAX_LINE_BYTES: Final = 1 << 20
_NO_GZIP: Final = (
    "The file ends in the middle of its gzip stream, or is no gzip file. Upload it again whole."
)
_GZIP_MAGIC: Final = b"\x1f\x8b"
_CONTROLS: Final = [bytes([code]) for code in (*range(32), 127) if code != 10]
_CUT, _OTHER_CONTROL = CUT.encode(), b"\x1f"
_FEW_BLANKS: Final = 1000
_BLANK_ABOUT_FIELD: Final = re.compile(rb" (?:(?=[,\r\n])|(?<=[,\n] ))")
"""Begins with a blank, for that alone is looked for quickly."""
_UNPRINTABLE: Final = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf\xbd")
"""In UTF-8: the control characters beyond ASCII, and what stands for bytes that nobody could read.
"""


def gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack a gzip stream of one or several members, never more than a little at once.

    Raises:
        Rejected: it ends in the middle, or is none.
    """
    unpacker = zlib.decompressobj(wbits=31)
    began = False
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=31)
            try:
                yield unpacker.decompress(data, READ_BYTES)
            except zlib.error as error:
                raise Rejected(_NO_GZIP) from error
            began = True
            data = unpacker.unconsumed_tail or unpacker.unused_data
    if began and not unpacker.eof:
        raise Rejected(_NO_GZIP)


def _blocks(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the stream in blocks of whole lines, each in pieces that follow one another."""
    pending: list[bytes] = []
    size = tail = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        size += len(chunk)
        tail = len(chunk) - end if end else tail + len(chunk)
        if tail > _MAX_LINE_BYTES:
            raise Rejected(
                f"A line is longer than {_MAX_LINE_BYTES >> 20} MiB. Is this a positions file with "
                "one position a line?"
            )
        if size >= _BLOCK_BYTES and end:
            yield [*pending, chunk[:end]]
            pending, size = [chunk[end:]], tail
        else:
            pending.append(chunk)
    if size:
        yield pending


def csv_batches(chunks: Iterator[bytes]) -> Iterator[Batch]:
    """Yield the rows of a CSV file's bytes.

    Raises:
        Rejected: it is empty, has other columns, or a line without an end.
    """
    columns: list[str] = []
    line = 1
    categories = True
    for pieces in _blocks(chunks):
        body = pieces
        if not columns:
            header, _, rest = b"".join(pieces).partition(b"\n")
            columns = _header(header)
            body, line = [rest], 2
        if any(body):
            batch = _lines(columns, body, categories=categories)
            categories = categories and not has_many_categories(batch.frame)
            numbers = pl.int_range(line, line + batch.frame.height, dtype=pl.Int64, eager=True)
            line += batch.frame.height
            rows = batch.frame.insert_column(0, numbers.alias(LINE))
            # A blank line is no row, but it counts as a line.
            if rows["position_id"].null_count():
                rows = rows.filter(~_blank(rows, columns))
            yield replace(batch, frame=rows)
    if not columns:
        raise Rejected(EMPTY)


def _blank(rows: pl.DataFrame, columns: list[str]) -> pl.Series:
    """Whether a line is empty, or has nothing but its commas; with more commas it is none."""
    cut = pl.col(*columns) == CUT
    empty = pl.all_horizontal(pl.col(*columns).is_null() | cut)
    if MISCOUNTED in rows.columns:
        empty &= ~pl.col(MISCOUNTED) | pl.any_horizontal(cut).fill_null(value=False)
    return (
        rows.cast({CATEGORY: pl.String})
        .select(empty.fill_null(value=False).alias("blank"))
        .to_series()
    )


def _header(line: bytes) -> list[str]:
    if line.startswith(_GZIP_MAGIC):
        raise Rejected("The file is gzipped; its name must end in .csv.gz then.")
    try:
        text = line.decode("utf-8-sig")
        wrong_at = text.find("\0")  # UTF-16 and UTF-32 are full of it
    except UnicodeDecodeError as error:
        wrong_at = error.start
    if wrong_at >= 0:
        raise Rejected(
            f"The file is not UTF-8 text (byte {wrong_at + 1} of its first line). "
            "Save it as CSV in UTF-8."
        )
    columns = [name.strip(' \t\r"') for name in text.split(",")]
    problem = header_problem(columns)
    if problem:
        raise Rejected(problem)
    return columns


def _lines(columns: list[str], pieces: list[bytes], *, categories: bool) -> Batch:
    """Read whole lines, each as exactly one row.

    Quotes have no meaning, so that a stray one cannot swallow the lines after it; fields that are
    quoted whole lose their quotes. Bytes that are not UTF-8 become U+FFFD; a rule finds it.
    """
    printable = all(map(_is_printable_ascii, pieces))
    # Line ends may be cut in two by the pieces, and so may characters.
    given = pieces if printable else [b"".join(pieces)]
    if not printable:
        printable = _is_printable_utf8(given[0])
        given = [given[0].replace(b"\r\n", b"\n").replace(_CUT, _OTHER_CONTROL)]
        # polars would take one at the end of a field away.
        given = [given[0].replace(b"\r", _OTHER_CONTROL)]
    if not given[-1].endswith(b"\n"):
        given = [*given, b"\n"]
    # Every line gets one field more, and a line with a comma too many or too few is one where that
    # field is not the last: else 1,5 instead of 1.5 would pass for two numbers.
    names = [*columns, MISCOUNTED]
    lines = (piece.replace(b"\n", b"," + _CUT + b"\n") for piece in given)
    untidy = any(map(_may_need_trimming, pieces))
    at_once = categories and printable and not untidy
    repeating = CATEGORY if at_once else pl.String()
    frame = pl.read_csv(
        b"".join([",".join(names).encode(), b"\n", *lines]),
        schema={name: repeating if name in REPEATING else pl.String() for name in names},
        quote_char=None,
        encoding="utf8" if printable else "utf8-lossy",
        truncate_ragged_lines=True,
    )
    miscounted = frame[MISCOUNTED].ne_missing(CUT)
    frame = frame.drop(MISCOUNTED)
    if miscounted.any():
        frame = frame.with_columns(miscounted.alias(MISCOUNTED))
    if untidy:
        frame = trimmed(frame)
    if categories and not at_once:
        frame = as_categories(frame)
    return Batch(frame, printable=printable)


def _may_need_trimming(piece: bytes) -> bool:
    """Whether something stands around a field, or may where the piece ends in one."""
    return b'"' in piece or b"\t" in piece or _has_blank_about_field(piece)


def _has_blank_about_field(piece: bytes) -> bool:
    # Blanks within fields, as in names, are few as a rule; to look at each is quicker than to
    # search for a pattern.
    at = piece.find(b" ")
    for _ in range(_FEW_BLANKS):
        if at < 0:
            return False
        if piece[at - 1 : at] in b",\n" or piece[at + 1 : at + 2] in b",\r\n":
            return True
        at = piece.find(b" ", at + 1)
    return piece.endswith(b" ") or _BLANK_ABOUT_FIELD.search(piece) is not None


def _is_printable_ascii(text: bytes) -> bool:
    """Whether all of it is ASCII without control characters but for ends of lines."""
    return text.isascii() and not any(control in text for control in _CONTROLS)


def _is_printable_utf8(text: bytes) -> bool:
    """Whether it is UTF-8 with characters that a field may have; quicker than to ask each field."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return not (
        any(control in text for control in _CONTROLS if control != b"\r")
        or text.count(b"\r") != text.count(b"\r\n")
        or _UNPRINTABLE.search(text)
    )
