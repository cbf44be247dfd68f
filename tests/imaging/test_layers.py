from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaging import layers
from imaging.layers import Entry

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


contents = st.dictionaries(
    st.from_regex(r"opt/[a-zäß]{1,5}(/[a-z]{1,120})?/[a-z]{1,5}\.py", fullmatch=True),
    st.tuples(st.binary(max_size=200), st.booleans()),
    max_size=8,
)


def entries(files: dict[str, tuple[bytes, bool]]) -> list[Entry]:
    return [
        Entry(name, len(content), partial(io.BytesIO, content), executable)
        for name, (content, executable) in files.items()
    ]


def members(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return tar.getmembers()


@given(files=contents, seed=st.randoms(use_true_random=False))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_files_in_any_order_are_the_same_bytes(
    files: dict[str, tuple[bytes, bool]], seed: Random, tmp_path: Path
) -> None:
    shuffled = entries(files)
    seed.shuffle(shuffled)
    first = layers.write(tmp_path / "first.tar.gz", "opt", entries(files))
    second = layers.write(tmp_path / "second.tar.gz", "opt", shuffled)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (first.digest, first.diff_id, first.size) == (
        second.digest,
        second.diff_id,
        second.size,
    )


@given(files=contents)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_layer_holds_its_files_sorted_owned_by_root_and_without_times(
    files: dict[str, tuple[bytes, bool]], tmp_path: Path
) -> None:
    made = layers.write(tmp_path / "layer.tar.gz", "opt/batch", entries(files))
    with tarfile.open(made.path) as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
            assert not (member.uname)
            assert not (member.gname)
            if member.isdir():
                assert member.mode == 0o755
            else:
                content, executable = files[member.name]
                opened = tar.extractfile(member)
                assert opened is not None
                assert opened.read() == content
                assert member.mode == (0o755 if executable else 0o644)
        names = tar.getnames()
    assert names == sorted(names)
    assert {"opt", "opt/batch"} <= set(names)
    assert set(files) <= set(names)


def test_facts_are_those_of_the_bytes(tmp_path: Path) -> None:
    made = layers.write(tmp_path / "l.tar.gz", "opt", entries({"opt/a/b.py": (b"x" * 5000, False)}))
    content = made.path.read_bytes()
    assert made.size == len(content)
    assert made.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert made.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(content)).hexdigest()}"


def test_an_empty_layer_is_still_recognised_as_a_tar(tmp_path: Path) -> None:
    made = layers.write(tmp_path / "layer.tar.gz", "opt/batch/code", [])
    assert [member.name for member in members(made.path)] == [
        "opt",
        "opt/batch",
        "opt/batch/code",
    ]


def test_parents_come_before_what_is_in_them(tmp_path: Path) -> None:
    files = {"opt/a/b/c.py": (b"", False), "opt/a.py": (b"", False), "opt/a-b/c.py": (b"", False)}
    seen: set[str] = set()
    for member in members(layers.write(tmp_path / "l.tar.gz", "opt", entries(files)).path):
        parent = member.name.rpartition("/")[0]
        assert not parent or parent in seen
        seen.add(member.name)


def test_a_layer_is_made_once_and_then_found() -> None:
    asked: list[str] = []

    def files() -> Any:
        asked.append("asked")
        return nullcontext(entries({"opt/x.py": (b"1", False)}))

    first = layers.layer("test", "key", "opt", files)
    second = layers.layer("test", "key", "opt", files)
    assert first == second
    assert asked == ["asked"]
