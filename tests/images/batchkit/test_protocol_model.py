"""Every way in which the protocol's processes may interleave and be interrupted, up to a bound.

`make test` tries the smaller bounds. MODEL_CHECK=long tries the larger ones too, in some minutes.
Beyond them hypothesis walks at random.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import TYPE_CHECKING

import pytest
from batchkit import claims
from batchkit.ledger import Ledger
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images.batchkit.protocol_model.machine import Bounds, calmer, ways_on
from tests.images.batchkit.protocol_model.processes import forget_what_processes_do, stepped
from tests.images.batchkit.protocol_model.states import State, after_the_report, beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DataObject

LONG = pytest.mark.skipif(
    os.environ.get("MODEL_CHECK") != "long",
    reason="two minutes, for changes of the protocol: MODEL_CHECK=long runs it",
)


@pytest.fixture(autouse=True)
def machine() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with stepped():
        yield
    logging.disable(logging.NOTSET)


def problem_in(state: State) -> str | None:
    """What must not be, at any moment."""
    run = state.run
    for key, claim in state.claims.items():
        if not 0 <= claim["attempts"] <= 3:
            return f"{key} had {claim['attempts']} attempts"
        if claim["state"] == "dead" and key not in run.get("dead_claims", ()):
            return f"{key} is dead, and its run does not know"
    if state.closed and len(run.get("shards_done", ())) < 2:
        return "closed before every shard is done"
    if run["state"] == "reported" and not state.closed:
        return "reported before it is closed"
    return None


def problem_between(before: State, after: State, name: str) -> str | None:
    """What must not become of something."""
    if before.run["state"] == "reported" and after.run["state"] != "reported":
        return "what is reported is so no more"
    if before.closed and not after.closed:
        return "what is closed is so no more"
    for key, claim in before.claims.items():
        taken_back = claim["state"] == "done" and after.claims[key]["state"] != "done"
        if taken_back and "redrive" not in name:
            return f"{key} was done and is {after.claims[key]['state']}"
    return None


def problem_at_the_end(state: State) -> str | None:
    """What must not be when nothing goes wrong any more and nothing is left to happen."""
    run = state.run
    states = {key: claim["state"] for key, claim in state.claims.items()}
    dead = {key for key, found in states.items() if found == "dead"}
    if set(states.values()) - {"done", "dead"}:
        return f"a claim is open: {states}"
    if len(state.dead_letters) < len(dead):
        return f"{len(dead)} claims are dead, and the letters are {state.dead_letters}"
    if not dead and run.get("dead_claims"):
        return "the run tells of dead work, and none is dead"
    if run["state"] == "reported":
        # What is dead it could do without, and tells of: `problem_in` has looked.
        return None
    if run["state"] != "dead-lettered":
        return f"the run ends as {run['state']}"
    return None if dead else "the run is dead-lettered for nothing"


def explore(start: State, bounds: Bounds) -> int:
    """Try every way on from a state, and return how many states there are."""
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    sound: set[State] = set()
    todo = deque([start])
    while todo:
        state = todo.popleft()
        problem = problem_in(state) or problem_after_calm(state, sound)
        for name, after in ways_on(state, bounds):
            problem = problem or problem_between(state, after, name)
            if after not in came_from:
                came_from[after] = (state, name)
                todo.append(after)
        if problem:
            raise AssertionError(f"{problem}, after: {', '.join(story(state, came_from))}\n{state}")
    return len(came_from)


def problem_after_calm(state: State, sound: set[State]) -> str | None:
    """What is wrong where this ends when all goes well; `sound` are states that end well."""
    path = []
    following: State | None = state
    while following is not None and following not in sound:
        if following in path:
            return "it never ends"
        path.append(following)
        state, following = following, calmer(following)
    if following is None and (problem := problem_at_the_end(state)):
        return f"{problem} in the end"
    sound.update(path)
    return None


def story(state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
    names: list[str] = []
    while (step := came_from[state]) is not None:
        state, name = step
        names.insert(0, name)
    return names


@pytest.mark.parametrize(
    ("attempts", "bounds", "states"),
    [
        # How many states there are at least: a change that makes the model see less is seen.
        # `attempts` of each shard's three have failed before.
        (0, Bounds(workers=3, mishaps=1), 8_100),
        (2, Bounds(workers=2, mishaps=1), 4_650),
        (3, Bounds(workers=2, mishaps=0, commands=1), 6_200),
        (3, Bounds(workers=1, mishaps=1, commands=1), 20_000),
        pytest.param(0, Bounds(workers=1, mishaps=3), 45_000, marks=LONG),
        pytest.param(0, Bounds(workers=2, mishaps=2), 75_000, marks=LONG),
        pytest.param(0, Bounds(workers=3, mishaps=2), 180_000, marks=LONG),
        pytest.param(2, Bounds(workers=2, mishaps=1, commands=1), 520_000, marks=LONG),
    ],
    ids=str,
)
def test_every_run_has_one_end_whatever_happens_on_the_way(
    attempts: int, bounds: Bounds, states: int
) -> None:
    assert explore(beginning(attempts=attempts), bounds) >= states


@pytest.mark.parametrize(
    ("attempts", "bounds", "states"),
    [
        (0, Bounds(workers=2, mishaps=3), 1_790),
        (2, Bounds(workers=2, mishaps=2, commands=2), 11_400),
        # It may die again before its redrive has ended.
        (3, Bounds(workers=1, mishaps=3, commands=1), 21_000),
    ],
    ids=str,
)
def test_what_a_run_can_do_without_has_one_end_too(
    attempts: int, bounds: Bounds, states: int
) -> None:
    assert explore(after_the_report(attempts=attempts), bounds) >= states


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_long_walks_at_random_have_one_end_too(data: DataObject) -> None:
    bounds = Bounds(workers=3, mishaps=12, commands=3)
    state, sound = beginning(), set[State]()
    for _ in range(data.draw(st.integers(10, 120))):
        ways = list(ways_on(state, bounds))
        if not ways:
            break
        name, after = ways[data.draw(st.integers(0, len(ways) - 1))]
        problem = problem_between(state, after, name) or problem_in(after)
        assert problem is None
        state = after
    assert problem_after_calm(state, sound) is None


def one_attempt_too_many(change: pytest.MonkeyPatch) -> None:
    change.setattr(claims, "MAX_ATTEMPTS", 4)


def close_too_early(change: pytest.MonkeyPatch) -> None:
    change.setattr(Ledger, "shard_done", lambda *_: (2, 2))


def take_what_is_done(change: pytest.MonkeyPatch) -> None:
    change.setattr(claims, "_FREE", claims._FREE.replace(":claimed AND", ":claimed OR"))


def forget_what_died_again(change: pytest.MonkeyPatch) -> None:
    sound = Ledger.put_back

    def put_back(ledger: Ledger, run_id: str, claim_ids: set[str], _deaths: int) -> bool:
        return sound(ledger, run_id, claim_ids, int(ledger.get(run_id)["deaths"]))

    change.setattr(Ledger, "put_back", put_back)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (one_attempt_too_many, "had 4 attempts"),
        (close_too_early, "closed before every shard is done"),
        (take_what_is_done, "was done and is claimed"),
    ],
)
def test_the_checks_see_a_protocol_that_is_broken(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None], found: str
) -> None:
    broken(monkeypatch)
    forget_what_processes_do()
    with pytest.raises(AssertionError, match=found):
        explore(beginning(attempts=0 if found.startswith(("closed", "was")) else 3), Bounds())
    forget_what_processes_do()


def test_the_checks_see_a_redrive_that_forgets_what_died_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget_what_died_again(monkeypatch)
    forget_what_processes_do()
    with pytest.raises(AssertionError, match="is dead, and its run does not know"):
        explore(after_the_report(attempts=3), Bounds(workers=1, mishaps=3, commands=1))
    forget_what_processes_do()
