from __future__ import annotations

import pytest

from benchmarks.rounds import interleaved, ratio, timed


def test_contenders_take_turns_and_each_begins_once() -> None:
    turns: list[str] = []

    def contender(name: str, seconds: float) -> float:
        turns.append(name)
        return seconds

    taken = interleaved(
        {"own": lambda: contender("own", 1.0), "peer": lambda: contender("peer", 2.0)}, rounds=3
    )
    assert turns == ["own", "peer", "peer", "own", "own", "peer"]
    assert taken == {"own": [1.0] * 3, "peer": [2.0] * 3}


def test_a_ratio_is_one_of_medians() -> None:
    assert ratio([4.0, 100.0, 5.0], [2.0, 2.5, 0.1]) == pytest.approx(2.5)


def test_what_is_timed_is_run_each_time() -> None:
    runs: list[int] = []
    work = timed(lambda: runs.append(1))
    assert work() >= 0
    assert work() >= 0
    assert len(runs) == 2
