from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.faults.settings import CallFaults, EventFaults, Faults, TaskFaults
from local.faults.state import State

FAULTS = Faults(
    seed=7,
    run_task_failures=0.2,
    tasks=TaskFaults(share=0.3, most_per_work=1),
    events=EventFaults(twice=0.1, late=0.05),
    calls={"s3": CallFaults(share=0.1, after_share=0.5)},
)


def test_faults_survive_json() -> None:
    assert Faults.from_json(FAULTS.to_json()) == FAULTS
    assert Faults.from_json({}) == Faults()


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"seeds": 1},
        {"run_task_failures": 1.1},
        {"run_task_failures": "often"},
        {"tasks": {"share": -0.1}},
        {"events": {"twice": 2}},
        {"calls": {"sns": {"share": 0.1}}},
        {"calls": {"s3": {"shares": 0.1}}},
    ],
)
def test_what_means_nothing_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match=r"not|must|none of"):
        Faults.from_json(content)


@given(st.integers(), st.lists(st.sampled_from("abc"), max_size=20))
def test_throws_do_not_depend_on_those_for_something_else(seed: int, others: list[str]) -> None:
    quiet, busy = State(Faults(seed=abs(seed))), State(Faults(seed=abs(seed)))
    expected = [quiet.throw("x", "key") for _ in range(3)]
    found = []
    for _ in range(3):
        for other in others:
            busy.throw("x", other)
        found.append(busy.throw("x", "key"))
    assert found == expected
    assert all(0 <= one < 1 for one in found)


def test_throws_are_even() -> None:
    state = State(FAULTS)
    tenths = Counter(int(state.throw("x", str(number)) * 10) for number in range(10_000))
    assert all(800 < tenths[tenth] < 1200 for tenth in range(10))
