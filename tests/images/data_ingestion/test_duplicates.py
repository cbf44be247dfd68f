from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from data_ingestion import duplicates
from data_ingestion.duplicates import SeenIds
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable


def found(seen: SeenIds, frames: list[list[str | None]]) -> list[list[bool]]:
    """For each id of each frame, whether it is found to have come before."""
    suspects = [seen.suspect(pl.Series(frame, dtype=pl.String)) for frame in frames]
    repeated = iter(seen.repeated())
    return [[suspect and next(repeated) for suspect in frame] for frame in suspects]


IDS = st.none() | st.integers(0, 400).map(str)
FRAMES = st.lists(st.lists(IDS, min_size=1, max_size=60), max_size=8)


def in_order(frames: list[list[str | None]]) -> list[list[str | None]]:
    """The same ids as if the file were sorted by them but for a null, and an id, here and there."""
    every = sorted({name for frame in frames for name in frame if name is not None})
    sizes = [len(frame) for frame in frames]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    rows = [every[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return [[*row, *frame[:2]] for row, frame in zip(rows, frames, strict=True)]


@settings(max_examples=200, deadline=None)
@given(
    frames=FRAMES | FRAMES.map(in_order),
    words=st.sampled_from([2, 16, 1 << 10]),
    file_rows=st.integers(1, 40),
    few=st.sampled_from([0.01, 0.1, 1]),
)
def test_it_agrees_with_a_set_however_small_the_filter(
    frames: list[list[str | None]], words: int, file_rows: int, few: float
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
        patch.setattr(duplicates, "_FEW", few)
        assert found(SeenIds(Path(folder), words), frames) == expected


def numbered(numbers: Iterable[int]) -> pl.Series:
    return pl.Series([f"P{number:08d}" for number in numbers])


def test_few_new_ids_are_suspected_where_they_come_in_no_order(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    numbers = pl.int_range(2_000_000, eager=True).shuffle(seed=1).to_list()
    suspected = sum(
        seen.suspect(numbered(numbers[start : start + 100_000])).sum()
        for start in range(0, 2_000_000, 100_000)
    )
    assert 0 < suspected < 200
    assert not seen.repeated().any()


def test_of_ids_that_rise_only_those_that_do_not_are_suspected(tmp_path: Path) -> None:
    # A filter of two words would suspect all.
    seen = SeenIds(tmp_path, words=2)
    numbers = list(range(100, 100_000, 10))
    assert not seen.suspect(numbered(numbers[:5000])).any()
    numbers[7500:7500], numbers[7000:7000] = [100], [5]
    assert seen.suspect(numbered(numbers[5000:])).arg_true().to_list() == [2000, 2501]
    assert seen.repeated().to_list() == [False, True]


def test_after_an_id_that_is_far_too_high_not_all_are_suspected(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    seen.suspect(numbered(range(1000)))
    seen.suspect(numbered([99_999_999, *range(1000, 2000)]))
    assert not seen.suspect(numbered(range(2000, 3000))).any()
    assert seen.suspect(numbered(range(0, 3000, 500))).all()
    assert seen.repeated().all()


def test_an_id_that_stood_too_low_is_known_when_order_is_given_up(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    ids = [numbered([*range(100, 600), 5, *range(600, 800)]), numbered([99, 98, 97, 5])]
    assert [seen.suspect(some).sum() for some in ids] == [1, 1]
    assert seen.repeated().to_list() == [False, True]


def test_ids_that_fall_are_not_all_suspected(tmp_path: Path) -> None:
    assert not SeenIds(tmp_path).suspect(numbered(range(1000, 0, -1))).any()


SUSPECTED_IN_EVERY_BATCH = """
import resource, sys
from pathlib import Path
import polars as pl
from data_ingestion import duplicates
duplicates._FILE_ROWS = 1
seen = duplicates.SeenIds(Path(sys.argv[1]))
for batch in range(101):
    numbers = pl.int_range(batch * 100_000, (batch + 1) * 100_000, eager=True)
    ids = numbers.cast(pl.String).str.zfill(9)
    seen.suspect(ids.scatter(50_000, "000000001"))
    if batch in (20, 100):
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_batches_that_have_a_suspect_each(tmp_path: Path) -> None:
    # In a process of its own, whose memory nothing else has used.
    done = subprocess.run(
        [sys.executable, "-c", SUSPECTED_IN_EVERY_BATCH, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    early, late = map(int, done.stdout.split())
    assert late < 1.2 * early
