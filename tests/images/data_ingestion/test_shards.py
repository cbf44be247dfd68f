from __future__ import annotations

import hashlib
import io
import threading
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest
from data_ingestion.shards import Book, Shard, ShardWriter
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

QUANTITIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(-1e12, 1e12).map(lambda value: round(value, 4))),
    min_size=1,
    max_size=60,
)


def frame(rows: list[tuple[str, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"book": pl.String, "quantity": pl.Float64}, orient="row")


def written(
    parts: list[pl.DataFrame], shard_rows: int
) -> tuple[list[Shard], dict[str, bytes], dict[str, Book]]:
    content: dict[str, bytes] = {}
    with ShardWriter(content.__setitem__, shard_rows) as writer:
        for part in parts:
            writer.add(part)
        shards = writer.finish()
        return shards, content, writer.books


@settings(max_examples=40, deadline=None)
@given(rows=QUANTITIES, data=st.data())
def test_shards_have_so_many_rows_each_however_they_arrive(
    rows: list[tuple[str, float]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    size = data.draw(st.integers(1, 25))
    parts = [
        frame(rows[low:high]) for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True)
    ]
    shards, content, books = written(parts, size)
    assert [shard.name for shard in shards] == [f"{index:05d}" for index in range(len(shards))]
    assert all(shard.rows == size for shard in shards[:-1])
    assert all(hashlib.sha256(content[one.name]).hexdigest() == one.sha256 for one in shards)
    read = pl.concat(pl.read_parquet(io.BytesIO(content[shard.name])) for shard in shards)
    assert read.rows() == rows
    assert books == written([frame(rows)], size)[2]


@settings(max_examples=40, deadline=None)
@given(rows=QUANTITIES, data=st.data())
def test_the_same_batches_make_the_same_bytes_in_whatever_pieces_they_are(
    rows: list[tuple[str, float]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    size = data.draw(st.integers(1, 25))
    in_pieces = pl.concat([frame(rows[:cut]), frame(rows[cut:])], rechunk=False)
    assert written([in_pieces], size) == written([frame(rows)], size)


@settings(max_examples=40, deadline=None)
@given(rows=QUANTITIES)
def test_books_are_added_up_in_any_order(rows: list[tuple[str, float]]) -> None:
    _, _, books = written([frame(rows)], 10)
    assert written([frame(rows[::-1])], 7)[2] == books
    for name, book in books.items():
        own = [quantity for of, quantity in rows if of == name]
        assert book.rows == len(own)
        assert book.quantity == pytest.approx(sum(own), rel=1e-9, abs=1e-2)


def test_a_file_without_good_rows_has_no_shards() -> None:
    assert written([frame([])], 10) == ([], {}, {})


def test_a_shard_that_cannot_be_stored_ends_the_work() -> None:
    def store(name: str, _: bytes) -> None:
        raise OSError(name)

    with ShardWriter(store, 1) as writer:
        writer.add(frame([("a", 1.0)]))
        with pytest.raises(OSError, match="00000"):
            writer.finish()


def test_no_more_than_one_shard_waits_to_be_stored() -> None:
    stored, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def store(_name: str, _content: bytes) -> None:
        stored.release()
        go_on.acquire()

    def add(writer: ShardWriter, then: Callable[[], None]) -> None:
        writer.add(frame([("a", 1.0)]))
        then()

    with ShardWriter(store, 1) as writer:
        writer.add(frame([("a", 1.0)]))
        stored.acquire()
        third_taken = threading.Event()
        adder = threading.Thread(target=add, args=(writer, third_taken.set))
        adder.start()
        assert not third_taken.wait(0.2)
        go_on.release(2)
        adder.join()
        assert third_taken.is_set()
        writer.finish()


def test_dates_and_counts_survive() -> None:
    row = {"book": "a", "quantity": 1.0, "maturity": date(2030, 1, 1), "coupon_frequency": 2}
    _, content, _ = written([pl.DataFrame([row])], 5)
    assert pl.read_parquet(io.BytesIO(content["00000"])).rows(named=True) == [row]


def test_a_books_sum_may_be_larger_than_a_whole_number_of_64_bits() -> None:
    # In millionths each is 10^18, a ninth of the largest.
    assert written([frame([("a", 1e12)] * 20)], 100)[2] == {"a": Book(20, 2e13)}
