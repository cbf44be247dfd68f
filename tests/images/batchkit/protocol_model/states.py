"""What a moment of the model is, and how it changes when processes come and go."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchkit.claims import about, claim_key
from batchkit.items import packed, unpacked

from tests.images.batchkit.protocol_model.run import AFTER, EVENTS, INGESTION, RUN, STAMP, UPLOAD

if TYPE_CHECKING:
    from batchkit.events import S3Event

    from tests.images.batchkit.protocol_model.processes import Process

RUNNING: Final = '"lease_until": {"N": "60"}'
"""How an item says of its lease that it was just given; the time is always 0."""
OVER: Final = '"lease_until": {"N": "-1"}'


class State(NamedTuple):
    """Everything there is. An owner that is at work is named by its place among `processes`."""

    items: tuple[str, ...]
    """The table's items, as JSON."""
    closed: bool
    """Whether risk/complete.json is there."""
    queue: tuple[str, ...]
    dead_letters: tuple[str, ...]
    processes: tuple[Process, ...] = ()
    mishaps: int = 0
    commands: int = 0

    @property
    def run(self) -> dict[str, Any]:
        """The run's record."""
        return next(
            item for item in map(unpacked_text, self.items) if item["id"].startswith("run#")
        )

    @property
    def claims(self) -> dict[str, dict[str, Any]]:
        """The claims by id."""
        items = map(unpacked_text, self.items)
        return {item["id"]: item for item in items if item["id"].startswith("claim#")}


def beginning(*, attempts: int = 0) -> State:
    """A run whose shards are published, one message for each of them, and no process yet.

    With `attempts`, so many have failed already on each shard.
    """
    record = {"state": "calculating", "shards": 2}
    failed = [_failed(name, attempts) for name in ("shard 0", "shard 1") if attempts]
    # Whoever published them has completed its claim.
    items = _items(record, _done(INGESTION, UPLOAD), *failed)
    return State(items, closed=False, queue=("shard 0", "shard 1"), dead_letters=())


def after_the_report(*, attempts: int = 0) -> State:
    """A reported run, and a message for a stage that listens to the end of its calculation.

    With `attempts`, so many of that stage's have failed already.
    """
    record = {"state": "reported", "shards": 2, "shards_done": {"00000", "00001"}}
    done = [_done(stage, event) for stage, event in EVENTS.values() if stage != AFTER]
    failed = [_failed("count", attempts)] if attempts else []
    items = _items(record, _done(INGESTION, UPLOAD), *done, *failed)
    return State(items, closed=True, queue=("count",), dead_letters=())


def _items(record: dict[str, Any], *claims: dict[str, Any]) -> tuple[str, ...]:
    run = {"id": f"run#{RUN}", "run_id": RUN, "created_at": STAMP, **record}
    return tuple(sorted(json.dumps(packed(item), sort_keys=True) for item in (run, *claims)))


def _done(stage: str, event: S3Event) -> dict[str, Any]:
    return {"id": claim_key(stage, event), "state": "done", "attempts": 1}


def _failed(message: str, attempts: int) -> dict[str, Any]:
    stage, event = EVENTS[message]
    return {
        "id": claim_key(stage, event),
        **about(stage, event, RUN),
        "state": "failed",
        "attempts": attempts,
        "reason": "FailedAttemptError",
        "created_at": STAMP,
        "updated_at": STAMP,
    }


def leases_over(state: State) -> State:
    """Let so much time pass that no lease runs any more."""
    items = tuple(sorted(text.replace(RUNNING, OVER) for text in state.items))
    return state._replace(items=items)


def sent(state: State, message: str) -> State:
    """Put a message on the queue; a second one like it would be no other."""
    return state._replace(queue=tuple(sorted({*state.queue, message})))


def joined(state: State, one: Process) -> State:
    names = {f"p{index}": f"p{index}" for index in range(len(state.processes))}
    return named(state, [*state.processes, one], [*names, "new"])


def named(state: State, processes: list[Process], names: list[str]) -> State:
    """Order the processes, and name what they own by their new places."""
    order = sorted(range(len(processes)), key=lambda place: (processes[place].order, names[place]))
    renamed = {names[old]: f"p{new}" for new, old in enumerate(order)}
    items = state.items
    if any(old != new for old, new in renamed.items() if old != "new"):
        items = tuple(_renamed(text, tuple(renamed.items())) for text in items)
    return state._replace(
        items=tuple(sorted(items)), processes=tuple(processes[old] for old in order)
    )


@functools.cache
def _renamed(text: str, names: tuple[tuple[str, str], ...]) -> str:
    for old, new in names:
        text = text.replace(f'"{old}"', f'"renamed {new}"')
    return text.replace('"renamed ', '"')


def name_of(state: State, one: Process) -> str:
    return f"p{state.processes.index(one)}"


@functools.cache
def unpacked_text(text: str) -> dict[str, Any]:
    return unpacked(json.loads(text))


@functools.cache
def id_of(text: str) -> str:
    return str(unpacked_text(text)["id"])
