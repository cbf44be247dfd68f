from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from local.events.pending import Pending

if TYPE_CHECKING:
    import pytest


def test_what_has_not_returned_is_done_again_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINISTACK_REGION", "eu-west-1")
    going, done = threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number:
            going.wait()
        done.set()

    first = Pending(work, "first")
    first.start(0)
    assert done.wait(5)
    first.start(1)
    saved = first.state()
    assert [arguments for _, _, arguments in saved] == [(1,)]
    found: list[int] = []
    second = Pending(found.append, "second")
    second.restore(saved)
    assert found == []
    second.go_on()
    going.set()
    for thread in threading.enumerate():
        if thread.name in ("first", "second"):
            thread.join(5)
    assert found == [1]
    assert first.state() == second.state() == []
