from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fargate_batch.errors import UserError
from imaging import cache

if TYPE_CHECKING:
    from pathlib import Path


def test_many_who_want_the_same_make_it_once() -> None:
    made: list[Path] = []

    def make(into: Path) -> None:
        time.sleep(0.05)
        (into / "file").write_text("x")
        made.append(into)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.made_once("kind", "key", make), range(8)))
    assert len(made) == 1
    assert {(path / "file").read_text() for path in found} == {"x"}


def test_an_interrupted_making_leaves_nothing(cache_folder: Path) -> None:
    def broken(into: Path) -> None:
        (into / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.made_once("kind", "key", broken)
    assert [path.name for path in (cache_folder / "kind").iterdir()] == ["key.lock"]
    assert (cache.made_once("kind", "key", lambda into: (into / "x").touch()) / "x").exists()


def test_a_disk_that_fills_up_is_one_clear_error() -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"No room left in .*XDG_CACHE_HOME"):
        cache.made_once("kind", "key", full)


def test_another_error_is_not_taken_for_a_full_disk() -> None:
    def broken(_: Path) -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        cache.made_once("kind", "key", broken)


def test_what_nobody_uses_is_forgotten_and_the_rest_kept(cache_folder: Path) -> None:
    old = cache.made_once("kind", "old", lambda into: (into / "x").touch())
    new = cache.made_once("kind", "new", lambda into: (into / "x").touch())
    long_ago = time.time() - 40 * 86400
    for path in (old, cache_folder / "kind/old.lock"):
        os.utime(path, (long_ago, long_ago))
    cache.forget_unused()
    assert sorted(path.name for path in (cache_folder / "kind").iterdir()) == ["new", "new.lock"]
    assert (new / "x").exists()


def test_use_keeps_it(cache_folder: Path) -> None:
    old = cache.made_once("kind", "key", lambda into: (into / "x").touch())
    os.utime(old, (1, 1))
    cache.made_once("kind", "key", lambda _: pytest.fail("made again"))
    cache.forget_unused()
    assert (cache_folder / "kind/key/x").exists()


def test_a_cache_that_cannot_be_made_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be made .*XDG_CACHE_HOME"):
        cache.folder()


def test_what_another_process_is_unpacking_is_left_alone_however_old_it_looks() -> None:
    with cache.scratch() as half:
        unpacked = half / "opt"
        unpacked.mkdir()
        os.utime(unpacked, (0, 0))
        os.utime(half)
        cache.forget_unused()
        assert unpacked.is_dir()
