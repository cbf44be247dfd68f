from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.errors import Rejected
from data_ingestion import csv_text
from data_ingestion.columns import as_text
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "position_id,as_of,book,product_type,risk_factor,currency,quantity"
ROW = "P{0},2026-01-30,B,EQUITY,ACME,EUR,{0}"


def read(*chunks: bytes) -> pl.DataFrame:
    batches = [batch.frame for batch in csv_text.csv_batches(iter(chunks))]
    rows = pl.concat(batches, how="diagonal")
    if "_miscounted" in rows.columns:
        rows = rows.with_columns(pl.col("_miscounted").fill_null(value=False))
        return rows if rows["_miscounted"].any() else rows.drop("_miscounted")
    return rows


def text(*rows: str, end: str = "\n") -> bytes:
    return (end.join([HEADER, *rows]) + end).encode()


def test_every_line_is_a_row_and_keeps_its_number() -> None:
    frame = read(text(ROW.format(1), "", "   ", ROW.format(2)))
    assert frame["line"].to_list() == [2, 5]
    assert frame["position_id"].to_list() == ["P1", "P2"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_quotes_blanks_and_a_byte_order_mark_do_not_matter(end: str) -> None:
    quoted = ",".join(f'"{name}"' for name in HEADER.split(","))
    row = ",".join(f' "{value}" ' for value in ROW.format(1).split(","))
    content = b"\xef\xbb\xbf" + end.join([quoted, row]).encode()
    assert read(content).drop("line").rows() == read(text(ROW.format(1))).drop("line").rows()


@pytest.mark.parametrize("few", [1, 1000])
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("field", [" P1", "P1 ", "  P1", "P1  ", "\tP1"])
def test_blanks_around_a_field_go(
    field: str, size: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_text, "_FEW_BLANKS", few)
    row = ROW.format(1).replace("EQUITY", "an equity")
    for content in (text(row.replace("P1", field, 1)), text(row.replace("EUR", field, 1))):
        chunks = (content[start : start + size] for start in range(0, len(content), size))
        (batch,) = csv_text.csv_batches(chunks)
        assert "P1" in batch.frame.row(0)


def test_a_blank_goes_whose_field_ends_in_the_next_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    first = text(ROW.format(1))
    monkeypatch.setattr(csv_text, "_BLOCK_BYTES", len(first))
    monkeypatch.setattr(csv_text, "_FEW_BLANKS", 1)
    begun, rest = ROW.format(2).replace("EQUITY", "an equity").encode().split(b"EUR")
    batches = csv_text.csv_batches(iter([first, begun + b"EUR ", rest]))
    assert ["EUR" in batch.frame.row(0) for batch in batches] == [True, True]


def test_a_blank_within_a_field_stays() -> None:
    (row,) = read(text(ROW.format(1).replace("ACME", "ACME  plc"))).rows()
    assert "ACME  plc" in row


def test_a_carriage_return_at_the_end_of_a_field_stays_to_be_refused() -> None:
    # What is not ASCII is looked at in another way.
    for name in ("ACME", "ÄKME"):
        content = text(ROW.format(1).replace("ACME", f"{name}\r"), end="\r\n")
        (batch,) = csv_text.csv_batches(iter([content]))
        assert f"{name}\x1f" in batch.frame.row(0)
        assert not batch.printable


def test_a_stray_quote_spoils_its_own_line_only() -> None:
    frame = read(text('"P1,2026-01-30,B,EQUITY,ACME,EUR,1', ROW.format(2)))
    assert frame["position_id"].to_list() == ["P1", "P2"]


@pytest.mark.parametrize(
    "line",
    [
        ROW.format(1) + ",more,and more",
        ROW.format(1) + ",",
        ROW.format(1) + ",,more",
        ROW.format("1,5"),
        ROW.format(1).removesuffix(",1"),
        "P1",
        ",".join("\x1e" * 8),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_with_more_or_fewer_fields_than_the_header_is_marked(line: str, end: str) -> None:
    frame = read(text(ROW.format(7), line, "", ROW.format(8), end=end))
    assert frame["_miscounted"].to_list() == [False, True, False]
    assert frame["line"].to_list() == [2, 3, 5]
    told = as_text(frame).select(pl.col(pl.String).str.contains("\x1e").any())
    assert not told.row(0).count(True)


def test_what_stands_after_the_last_column_of_an_empty_line_is_not_lost() -> None:
    frame = read(text(ROW.format(1), "," * 7 + "LOST", "," * 6, "," * 3, ""))
    assert frame["line"].to_list() == [2, 3]
    assert frame["_miscounted"].to_list() == [False, True]


def test_a_last_line_without_its_end_is_a_line() -> None:
    assert read(text(ROW.format(1), ROW.format(2))[:-1]).equals(
        read(text(ROW.format(1), ROW.format(2)))
    )


@given(st.data())
def test_blocks_and_chunks_change_nothing(data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(st.sampled_from([ROW.format(7), "", "x", ROW.format(8)]), max_size=12)
    )
    content = text(*rows, ROW.format(9))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    chunks = [
        content[low:high] for low, high in zip([0, *cuts], [*cuts, len(content)], strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "_BLOCK_BYTES", data.draw(st.integers(1, 400)))
        assert read(*chunks).equals(read(content))


def unpacked(content: bytes, size: int = 50) -> Iterator[bytes]:
    return csv_text.gunzipped(
        content[start : start + size] for start in range(0, len(content), size)
    )


def test_gzip_of_several_members_is_one_stream() -> None:
    content = gzip.compress(text(ROW.format(1))) + gzip.compress(ROW.format(2).encode())
    assert b"".join(unpacked(content)) == text(ROW.format(1)) + ROW.format(2).encode()


@pytest.mark.parametrize("keep", [5, 30, -1, -9])
def test_a_gzip_stream_cut_off_is_rejected(keep: int) -> None:
    with pytest.raises(Rejected, match="in the middle of its gzip stream"):
        list(unpacked(gzip.compress(text(*map(ROW.format, range(50))))[:keep]))


def test_what_is_no_gzip_is_rejected() -> None:
    with pytest.raises(Rejected, match="is no gzip file"):
        list(unpacked(text(ROW.format(1))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty."),
        (b"\n", "lacks the columns position_id"),
        # Named, for gzip writes the time into its header, and an id must not change with it.
        pytest.param(gzip.compress(b"x"), r"must end in .csv.gz", id="gzip"),
        (HEADER.encode("utf-16"), "not UTF-8"),
        ((HEADER.replace(",", ";") + "\n").encode(), "separated by commas"),
        (b"a,b\n1,2\n", "lacks the columns position_id, as_of.*, and has unknown columns: a, b"),
        ((HEADER + ",stike\n").encode(), "unknown columns: stike"),
        ((HEADER + ",book\n").encode(), "columns book more than once"),
    ],
)
def test_another_file_is_rejected_with_its_reason(content: bytes, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        list(csv_text.csv_batches(iter([content] if content else [])))


def test_a_line_without_an_end_is_rejected_before_it_fills_the_memory() -> None:
    read_so_far = 0

    def endless() -> Iterator[bytes]:
        nonlocal read_so_far
        while True:
            read_so_far += 1
            yield b"x" * (1 << 18)

    with pytest.raises(Rejected, match="longer than 1 MiB"):
        list(csv_text.csv_batches(endless()))
    assert read_so_far <= 5


def test_bytes_that_are_not_utf8_stay_visible() -> None:
    frame = read(text(ROW.format(1)).replace(b"ACME", b"ACM\xc9"))
    assert frame["risk_factor"].to_list() == ["ACM\ufffd"]
