from __future__ import annotations

import functools
import operator
import tempfile
from pathlib import Path

import polars as pl
from data_ingestion.spool import Spool
from data_ingestion.validation import empty_quarantine
from hypothesis import given, settings
from hypothesis import strategies as st


def shards(rows: list[int], cuts: list[int], shard_rows: int) -> list[tuple[str, int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), shard_rows)
        for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            part = pl.DataFrame({"n": rows[low:high]}, schema={"n": pl.Int64})
            spool.add(part, empty_quarantine())
        spool.finish()
        read = [pl.read_parquet(shard.path)["n"].to_list() for shard in spool.shards]
        assert functools.reduce(operator.iadd, read, []) == rows
        return [(shard.name, shard.rows, shard.sha256) for shard in spool.shards]


@settings(max_examples=40)
@given(st.data())
def test_shards_do_not_depend_on_how_the_rows_arrived(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, 100), min_size=1, max_size=60))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    size = data.draw(st.integers(1, 25))
    written = shards(rows, cuts, size)
    assert written == shards(rows, [], size)
    assert all(count == size for _, count, _ in written[:-1])
    assert [name for name, _, _ in written] == [f"{index:05d}" for index in range(len(written))]


def test_refused_rows_keep_their_order_over_many_parts(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 3)
    for line in range(10):
        refused = pl.concat(
            [empty_quarantine(), pl.DataFrame({"line": [line]}, schema={"line": pl.Int64})],
            how="diagonal",
        )
        spool.add(pl.DataFrame({"n": []}, schema={"n": pl.Int64}), refused)
    assert pl.read_parquet(spool.finish())["line"].to_list() == list(range(10))
    assert (spool.rows_refused, spool.rows_good, spool.shards) == (10, 0, [])
