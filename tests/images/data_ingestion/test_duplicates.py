from __future__ import annotations

import polars as pl
from data_ingestion.duplicates import SeenIds
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.lists(st.none() | st.sampled_from("abcdefghij"), min_size=1), max_size=8))
def test_it_agrees_with_a_set(frames: list[list[str | None]]) -> None:
    seen_ids, known = SeenIds(), set()
    for frame in frames:
        expected = []
        for name in frame:
            expected.append(name is not None and name in known)
            known.add(name)
        assert seen_ids.repeated(pl.Series(frame, dtype=pl.String)).to_list() == expected


def test_it_keeps_few_runs_of_many_frames() -> None:
    seen = SeenIds()
    for start in range(0, 3200, 50):
        ids = pl.Series([f"P{number}" for number in range(start, start + 50)])
        assert not seen.repeated(ids).any()
    assert len(seen._runs) <= 8
    assert seen.repeated(pl.Series(["P0", "P3199", "P3200"])).to_list() == [True, True, False]
