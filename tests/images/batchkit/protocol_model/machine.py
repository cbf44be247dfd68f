"""Every way on from a moment of the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchkit.claims import claim_key
from batchkit.redrive import can_redrive
from batchkit.states import TERMINAL_STATES

from tests.images.batchkit.protocol_model.aws import answered
from tests.images.batchkit.protocol_model.processes import Answer, Call, process
from tests.images.batchkit.protocol_model.run import AFTER, EVENTS, OPERATOR
from tests.images.batchkit.protocol_model.states import (
    RUNNING,
    State,
    joined,
    leases_over,
    name_of,
    named,
    sent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.images.batchkit.protocol_model.processes import Process

_FINE_ENDS: Final = ("FailedAttemptError", "NotDeadError")


@dataclass(frozen=True)
class Bounds:
    """How much may happen."""

    workers: int = 3
    mishaps: int = 2
    commands: int = 0
    """Of an operator's."""


def ways_on(state: State, bounds: Bounds) -> Iterator[tuple[str, State]]:
    """Yield everything that may happen next, with its name."""
    for one in dict.fromkeys(state.processes):
        yield f"{one.program} is answered", answer(state, one)
    workers = sum(one.program in EVENTS for one in state.processes)
    if workers < bounds.workers:
        for message in state.queue:
            yield f"{message} is received", receive(state, message)
    if any(RUNNING in text for text in state.items) and not state.processes:
        yield "the leases end", leases_over(state)
    if state.mishaps < bounds.mishaps:
        yield from _mishaps(state._replace(mishaps=state.mishaps + 1))
    if state.commands < bounds.commands and workers == len(state.processes):
        more = state._replace(commands=state.commands + 1)
        for program in OPERATOR:
            yield program, joined(more, process(program))


def _mishaps(state: State) -> Iterator[tuple[str, State]]:
    for one in dict.fromkeys(state.processes):
        yield f"{one.program} is killed", _left(state, one, returns=True)
        yield f"the answer to {one.program} is lost", answered(state, one)[0]
        if one.program in EVENTS and one.stopping < 0 and one.answers:
            told = process(one.program, one.answers, len(one.answers))
            yield f"{one.program} is told to stop", _became(state, one, told)
        if (failed := answer(state, one, fails=True)) != answer(state, one):
            yield f"{one.program} fails", failed
    for message in _published(state):
        if message not in state.queue:
            yield f"{message} comes again", sent(state, message)
    if state.processes and any(RUNNING in text for text in state.items):
        yield "the leases end", leases_over(state)


def _published(state: State) -> Iterator[str]:
    """Yield the messages whose object is there and was told of."""
    yield from ("shard 0", "shard 1")
    if state.closed:
        yield "report"
    if any(id_of.startswith(f"claim#{AFTER}#") for id_of in state.claims):
        yield "count"


def receive(state: State, message: str) -> State:
    """Let an idle worker take a message."""
    queue = tuple(one for one in state.queue if one != message)
    return joined(state._replace(queue=queue), process(message))


def answer(state: State, one: Process, *, fails: bool = False) -> State:
    """Let AWS answer a process; and let its attempt succeed or fail, if that is what comes next."""
    state, found = answered(state, one)
    after = process(one.program, (*one.answers, found), one.stopping)
    if isinstance(after.progress, Call) and after.progress.operation == "attempt":
        said = Answer(json.dumps("fails" if fails else "succeeds"))
        after = process(one.program, (*after.answers, said), one.stopping)
    return _became(state, one, after)


def _became(state: State, one: Process, after: Process) -> State:
    """Put a process that got on in its place, or away when it has ended."""
    index = state.processes.index(one)
    if isinstance(after.progress, str):
        assert not after.progress.startswith("failed: ") or after.progress.endswith(_FINE_ENDS), (
            f"{after.program} {after.progress}"
        )
        return _left(state, one, returns=after.progress != "worked")
    processes = list(state.processes)
    processes[index] = after
    return named(state, processes, [f"p{place}" for place in range(len(processes))])


def _left(state: State, one: Process, *, returns: bool) -> State:
    """Let a process go; its message returns unless it is dealt with."""
    if returns and one.program in EVENTS:
        state = sent(state, one.program)
    gone = name_of(state, one)
    items = tuple(text.replace(f'"{gone}"', '"gone"') for text in state.items)
    names = [f"p{place}" for place in range(len(state.processes)) if f"p{place}" != gone]
    left = [state.processes[int(name[1:])] for name in names]
    return named(state._replace(items=items), left, names)


def calmer(state: State) -> State | None:
    """Return the next state when nothing goes wrong any more and every message returns.

    None when there is nothing left to happen, of itself, by a reconcile, or by the repetition of a
    redrive that broke off or came too early.
    """
    if state.processes:
        return answer(state, state.processes[0])
    if state.queue:
        fruitful = [message for message in state.queue if not _in_other_hands(state, message)]
        return receive(state, fruitful[0]) if fruitful else leases_over(state)
    if state.commands and state.run["state"] not in TERMINAL_STATES:
        return joined(leases_over(state), process("reconcile"))
    dead = any(claim["state"] == "dead" for claim in state.claims.values())
    waiting_still = any(claim["state"] == "waiting" for claim in state.claims.values())
    if state.commands and can_redrive(state.run) and (waiting_still or not dead):
        # A redrive broke off, or somebody who had stalled marked the run after it.
        return joined(state, process("redrive"))
    return None


def _in_other_hands(state: State, message: str) -> bool:
    stage, event = EVENTS[message]
    claim = state.claims.get(claim_key(stage, event), {})
    return claim.get("state") == "claimed" and claim["lease_until"] > 0
