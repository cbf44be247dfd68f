from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from data_ingestion import duplicates
from data_ingestion.duplicates import SeenIds
from hypothesis import given, settings
from hypothesis import strategies as st


def found(seen: SeenIds, frames: list[list[str | None]]) -> list[list[bool]]:
    """For each id of each frame, whether it is found to have come before."""
    suspects = [seen.suspect(pl.Series(frame, dtype=pl.String)) for frame in frames]
    repeated = iter(seen.repeated())
    return [[suspect and next(repeated) for suspect in frame] for frame in suspects]


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(
        st.lists(st.none() | st.integers(0, 60).map(str), min_size=1, max_size=30), max_size=8
    ),
    words=st.sampled_from([2, 16, 1 << 10]),
    file_rows=st.integers(1, 40),
)
def test_it_agrees_with_a_set_however_small_the_filter(
    frames: list[list[str | None]], words: int, file_rows: int
) -> None:
    known: set[str] = set()
    expected: list[list[bool]] = []
    for frame in frames:
        expected.append([])
        for name in frame:
            expected[-1].append(name is not None and name in known)
            known |= {name} if name is not None else set()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_FILE_ROWS", file_rows)
        assert found(SeenIds(Path(folder), words), frames) == expected


def test_few_new_ids_are_suspected(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    suspected = sum(
        seen.suspect(pl.Series(range(start, start + 100_000)).cast(pl.String)).sum()
        for start in range(0, 2_000_000, 100_000)
    )
    assert suspected < 200
    assert not seen.repeated().any()
