from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imaging.registry.sharing import Sharing


def test_who_comes_second_waits_and_learns_where_the_blob_is() -> None:
    sharing, uploads = Sharing(), []
    together = threading.Barrier(4)

    def push(repository: str) -> str | None:
        together.wait()
        with sharing.turn("sha256:1", repository) as holder:
            if holder is None:
                uploads.append(repository)
            return holder

    with ThreadPoolExecutor(4) as pool:
        holders = list(pool.map(push, "abcd"))
    assert len(uploads) == 1
    assert holders.count(None) == 1


def test_a_push_that_fails_is_not_remembered() -> None:
    sharing = Sharing()
    with pytest.raises(OSError, match="broken"), sharing.turn("sha256:1", "a"):
        raise OSError("broken")
    with sharing.turn("sha256:1", "b") as holder:
        assert holder is None


def test_different_blobs_do_not_wait_for_each_other() -> None:
    sharing = Sharing()
    with sharing.turn("sha256:1", "a"), sharing.turn("sha256:2", "a") as holder:
        assert holder is None
