from __future__ import annotations

import re

from batchkit.runs import RunKeys, run_id, run_of_key, shard_name, shard_of_key
from hypothesis import given
from hypothesis import strategies as st

keys = st.text(min_size=1, max_size=200)


@given(keys, st.none() | st.text(min_size=1))
def test_a_run_is_named_by_its_object_alone(key: str, version: str | None) -> None:
    assert run_id("input", key, version) == run_id("input", key, version)
    assert re.fullmatch("[a-z0-9-]{1,60}", run_id("input", key, version))


def test_bucket_key_and_version_each_make_another_run() -> None:
    names = {
        run_id(*parts)
        for parts in [
            ("input", "positions/a.csv", "v1"),
            ("input", "positions/a.csv", "v2"),
            ("input", "positions/a.csv", None),
            ("input", "positions/b/a.csv", "v1"),
            ("other", "positions/a.csv", "v1"),
        ]
    }
    assert len(names) == 5


def test_a_run_begins_with_the_name_of_its_file() -> None:
    assert run_id("input", "positions/EOD Book_7.csv.gz", "v1").startswith("eod-book-7-")


@given(keys, st.integers(0, 99_999))
def test_a_runs_objects_name_their_run_and_shard(key: str, index: int) -> None:
    run = run_id("input", key, None)
    paths = RunKeys(run)
    name = shard_name(index)
    for path in (paths.manifest, paths.complete, paths.shard(name), paths.risk(name)):
        assert run_of_key(path) == run
    assert shard_of_key(paths.shard(name)) == name
    assert shard_of_key(paths.risk(name)) is None
    assert shard_of_key(paths.manifest) is None


def test_a_key_outside_runs_belongs_to_no_run() -> None:
    assert run_of_key("positions/a.csv") is None
    assert run_of_key("runs/") is None
