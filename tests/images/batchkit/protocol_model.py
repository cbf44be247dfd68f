"""The claim and completion protocol as a machine of states, each step one call to AWS.

What steps is the product's own code: `perform`, `Claims`, `Ledger`, `Storage.put_once`, the risk
stage's counting of its shards, `redrive` and `reconcile`. It runs against clients that hand every
call to the machine. A process is known by what it was answered so far: it is run again from its
beginning with those answers, up to the first call that has none yet, which is then what it is
about to do. So a state is a value (the table's items, the queue, each process's answers), can be
compared with others, and every way on from it can be tried.

DynamoDB's part is played by the local AWS's own code, in this process, an operation at a time.

What may go wrong, each at any moment: a process is killed; it is told to stop and gives its work
back; it stalls until its lease is over; the answer to a call is lost, and the call repeated; an
attempt fails; a message comes once more.

Simplified: time is what the leases show, running or over, and a clock is right when a call is
answered. No lease needs renewing unless a process stalls. Stages' timings, in which nobody takes
part, are left out. Workers are alike, so states that differ in their names only are one state.
"""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from unittest import mock

import ministack.services.dynamodb as local_dynamodb
from batchkit import claims as claims_module
from batchkit import ledger, records, task, waiting
from batchkit.claims import Claims, claim_key
from batchkit.dead_letters import DeadLetterQueue
from batchkit.environment import TaskEnvironment
from batchkit.errors import LostClaimError
from batchkit.events import S3Event, from_message
from batchkit.items import packed, unpacked
from batchkit.ledger import Ledger
from batchkit.metrics import Metrics
from batchkit.place import Place, Route
from batchkit.reconcile import reconcile
from batchkit.redrive import can_redrive, redrive
from batchkit.runs import RunKeys, run_id
from batchkit.stage import Context
from batchkit.states import TERMINAL_STATES, RunState
from batchkit.storage import Storage
from batchkit.task import Busy, CurrentWork, perform
from botocore.exceptions import ClientError
from risk_calculation import calculate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

INPUT, OUTPUT, TABLE = "input", "output", "model-table"
INGESTION, RISK, REPORT = "data-ingestion", "risk-calculation", "report-generation"
AFTER: Final = "line-count"
"""A stage that listens to the end of the calculation, and may fail when the report is there."""
UPLOAD: Final = S3Event(INPUT, "positions/a.csv", "v1")
RUN: Final = run_id(INPUT, UPLOAD.key, UPLOAD.version_id)
KEYS: Final = RunKeys(RUN)
EVENTS: Final = {
    "shard 0": (RISK, S3Event(OUTPUT, KEYS.shard("00000"), "v1")),
    "shard 1": (RISK, S3Event(OUTPUT, KEYS.shard("00001"), "v1")),
    "report": (REPORT, S3Event(OUTPUT, KEYS.complete, "v1")),
    "count": (AFTER, S3Event(OUTPUT, KEYS.complete, "v1")),
}
OPERATOR: Final = ("redrive", "reconcile")
_ROUTES: Final = (
    Route(INGESTION, "input", "positions/*", "queue"),
    Route(RISK, "output", "runs/*/shards/*.parquet", "queue"),
    Route(REPORT, "output", "runs/*/risk/complete.json", "queue"),
)
_LATE_ROUTE: Final = Route(AFTER, "output", "runs/*/risk/complete.json", "late queue")
_MANIFEST: Final = {
    "scenarios": {"sha256": "x"},
    "shards": [{"name": "00000"}, {"name": "00001"}],
}

_RUNNING: Final = '"lease_until": {"N": "60"}'
"""How an item says of its lease that it was just given; the time is always 0."""
_OVER: Final = '"lease_until": {"N": "-1"}'
_STAMP: Final = "1970-01-01T00:00:00.000+00:00"
_FINE_ENDS: Final = ("FailedAttemptError", "NotDeadError")


class Answerless(SystemExit):
    """The process has made a call that is not answered yet, and goes no further."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call


class FailedAttemptError(Exception):
    """What a handler raises whose attempt fails."""


@dataclass(frozen=True)
class Call:
    """One call to AWS, or the handler's question whether it succeeds."""

    operation: str
    request: str
    """JSON; the process calls itself `me`."""


@dataclass(frozen=True)
class Answer:
    """What AWS says; an error when `error` names one."""

    body: str
    """JSON."""
    error: str = ""


class Process:
    """A worker with a message, or an operator's command; the same answers, the same object."""

    def __init__(self, program: str, answers: tuple[Answer, ...], stopping: int) -> None:
        self.program = program
        """The message that it works, or the command."""
        self.answers = answers
        self.stopping = stopping
        """After so many answers it was told to stop; not yet when below 0."""
        self.order = (program, str(answers), stopping)

    @functools.cached_property
    def progress(self) -> Call | str:
        """What it is about to do; or how it ended, when it has."""
        return _progress(self)


@functools.cache
def process(program: str, answers: tuple[Answer, ...] = (), stopping: int = -1) -> Process:
    """Return the one process of which this is true."""
    return Process(program, answers, stopping)


def forget_what_processes_do() -> None:
    """Ask their code again, for it is another now."""
    process.cache_clear()


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
        return next(item for item in map(_unpacked, self.items) if item["id"].startswith("run#"))

    @property
    def claims(self) -> dict[str, dict[str, Any]]:
        """The claims by id."""
        items = map(_unpacked, self.items)
        return {item["id"]: item for item in items if item["id"].startswith("claim#")}


@dataclass(frozen=True)
class Bounds:
    """How much may happen."""

    workers: int = 3
    mishaps: int = 2
    commands: int = 0
    """Of an operator's."""


# The processes: the product's code, with clients that know what was answered so far.


class Clients:
    """DynamoDB, S3 and SQS in one; answers as before, then makes the next call known."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = list(answers)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return functools.partial(self.call, operation)

    def call(self, operation: str, **request: Any) -> Any:
        """Return the answer, or make it known that there is none."""
        body = request.pop("Body", None)
        if body is not None:
            request["Text"] = body.read().decode()
        if not self.answers:
            raise Answerless(Call(operation, json.dumps(request, sort_keys=True, default=sorted)))
        answer = self.answers.pop(0)
        found = json.loads(answer.body)
        if answer.error:
            response: Any = {**found, "Error": {"Code": answer.error}}
            raise ClientError(response, operation)
        return {"Body": _Stream(found)} if operation == "get_object" else found

    def get_paginator(self, operation: str) -> Any:
        """Return what gives one page."""
        return mock.Mock(paginate=lambda **request: iter([self._page(operation, request)]))

    def _page(self, operation: str, request: dict[str, Any]) -> Any:
        page = self.call(operation, **request)
        for version in page["Versions"]:
            version["LastModified"] = mock.Mock(timestamp=lambda: 0.0)
        return page


class _Stream:
    def __init__(self, text: str) -> None:
        self._rest = [text.encode()]

    def read(self, _size: int = -1) -> bytes:
        return self._rest.pop() if self._rest else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _LedgerWithoutTimings(Ledger):
    def finish_stage(self, run_id: str, stage: str) -> dict[str, Any]:
        return {"run": run_id, "stage": stage}


def _handler(event: S3Event, context: Context) -> None:
    """Do what the stages' own handlers do with the ledger and the closing object."""
    client: Any = context.claims.client
    late = context.task.stage == AFTER
    if not late and context.ledger.get(context.run_id)["state"] in ledger.FINAL_STATES:
        return
    if client.call("attempt") == "fails":
        raise FailedAttemptError
    if context.task.stage == RISK:
        shard = "00000" if event == EVENTS["shard 0"][1] else "00001"
        calculate._count(shard, _MANIFEST, context)
    elif not late:
        context.ledger.advance(context.run_id, RunState.REPORTED)


def _context(stage: str, clients: Any) -> Context:
    environment = TaskEnvironment(
        stage, "test", "eu-west-1", INPUT, OUTPUT, TABLE, None, "dead-letters", {}
    )
    return Context(
        task=environment,
        session=clients,
        storage=Storage(clients, OUTPUT),
        ledger=_LedgerWithoutTimings(clients, TABLE, lambda: 0.0),
        claims=Claims(clients, TABLE, clock=lambda: 0.0),
        dead_letters=DeadLetterQueue(clients, "dead-letters", stage),
        metrics=Metrics("test", stage),
    )


def _progress(one: Process) -> Call | str:
    try:
        return _run(one)
    except Answerless as waits:
        return waits.call
    except Exception as error:  # noqa: BLE001 - a process that fails is one that has ended
        return f"failed: {type(error).__name__}"


def _run(one: Process) -> str:
    clients: Any = Clients(one.answers)
    if one.program in OPERATOR:
        # Where nobody listens to the end, reconcile must not think so.
        routes = (*_ROUTES, _LATE_ROUTE) if one.program == "redrive" else _ROUTES
        place = Place(clients, clients, clients, INPUT, OUTPUT, TABLE, routes)
        if one.program == "redrive":
            redrive(place, RUN, clock=lambda: 0.0)
        else:
            # Everything was written at this moment, and is old enough for it.
            reconcile(place, lookback_hours=None, grace_seconds=-1, clock=lambda: 0.0)
        return "done"
    stage, event = EVENTS[one.program]
    if one.stopping < 0:
        outcome = perform(event, _context(stage, clients), _handler)
        return "busy" if isinstance(outcome, Busy) else "worked"
    before, after = one.answers[: one.stopping], one.answers[one.stopping :]
    return _stop(stage, event, Clients(before), Clients(after))


def _stop(stage: str, event: S3Event, before: Any, after: Any) -> str:
    """Give back, as a signal does, what is in hand after the answers `before`."""
    held: list[Any] = []

    class Watched(CurrentWork):
        @contextmanager
        def holding(self, release: Callable[[str], None]) -> Iterator[None]:
            try:
                yield
            except Answerless:
                held.append(release)
                raise

    with suppress(Answerless):
        perform(event, _context(stage, before), _handler, current=Watched())
    before.call = after.call
    for release in held:
        with suppress(LostClaimError):
            release("stopped before it was finished")
    return "stopped"


# AWS: the table is the local AWS's, an operation at a time.


def _answered(  # noqa: PLR0911 - one for each operation
    state: State, caller: Process
) -> tuple[State, Answer]:
    """Let AWS do what a process calls for."""
    call = caller.progress
    assert isinstance(call, Call)
    request = json.loads(call.request)
    match call.operation:
        case "update_item" | "put_item" | "get_item":
            return _table_answer(state, caller, call)
        case "batch_get_item":
            keys = [key["id"]["S"] for key in request["RequestItems"][TABLE]["Keys"]]
            items = [json.loads(text) for text in state.items if _id(text) in keys]
            return state, Answer(json.dumps({"Responses": {TABLE: items}}))
        case "put_object" if state.closed:
            return state, Answer("{}", "PreconditionFailed")
        case "put_object":
            assert json.loads(call.request)["IfNoneMatch"] == "*"
            # S3 tells of the new object; the late stage is told of it in a model of its own.
            return _sent(state._replace(closed=True), "report"), Answer("{}")
        case "get_object":
            return state, Answer(json.dumps(_closing()))
        case "list_object_versions":
            return state, Answer(json.dumps(_versions(state, request["Prefix"])))
        case "send_message" if request["QueueUrl"] == "dead-letters":
            # A worker's letter is about the message that it has.
            letters = tuple(sorted({*state.dead_letters, caller.program}))
            return state._replace(dead_letters=letters), Answer("{}")
        case "send_message":
            return _sent(state, _message(request)), Answer("{}")
    # Code under test that calls for more must not be answered by chance.
    raise AssertionError(f"The model does not know what AWS answers to {call.operation}.")


def _message(request: dict[str, Any]) -> str:
    """Return the message that goes to a queue: two stages hear of the last object."""
    event = from_message(request["MessageBody"])
    late = request["QueueUrl"] == _LATE_ROUTE.queue_url
    return next(
        name for name, (stage, known) in EVENTS.items() if (known, stage == AFTER) == (event, late)
    )


def _sent(state: State, message: str) -> State:
    """Put a message on the queue; a second one like it would be no other."""
    return state._replace(queue=tuple(sorted({*state.queue, message})))


@functools.cache
def _closing() -> str:
    """What is in risk/complete.json."""
    written: list[str] = []
    context: Any = mock.Mock(run_id=RUN)
    context.ledger.shard_done.return_value = (2, 2)
    context.storage.put_once = lambda _key, body, _type: written.append(body.decode())
    calculate._count("00000", _MANIFEST, context)
    return written[0]


def _versions(state: State, prefix: str) -> dict[str, Any]:
    keys = [KEYS.shard("00000"), KEYS.shard("00001"), *([KEYS.complete] if state.closed else [])]
    found = [UPLOAD.key] if prefix.startswith("positions/") else keys
    return {"Versions": [{"Key": key, "VersionId": "v1", "IsLatest": True} for key in found]}


def _table_answer(state: State, caller: Process, call: Call) -> tuple[State, Answer]:
    me = f'"{_name(state, caller)}"'
    items = {_id(text): text for text in state.items}
    request = json.loads(call.request)
    key = request.get("Key", request.get("Item"))["id"]["S"]
    before = items.get(key, "").replace(me, '"me"')
    after, answer = _one_item(key, before, call)
    if after != before:
        items[key] = after.replace('"me"', me)
        state = state._replace(items=tuple(sorted(items.values())))
    return state, answer


def _name(state: State, one: Process) -> str:
    return f"p{state.processes.index(one)}"


@functools.cache
def _one_item(key: str, text: str, call: Call) -> tuple[str, Answer]:
    """Return an item after an operation of the local AWS's DynamoDB, and the answer."""
    table = _local_table()
    table["items"].clear()
    if text:
        table["items"][key]["__no_sort__"] = json.loads(text)
    status, _, body = getattr(local_dynamodb, f"_{call.operation}")(json.loads(call.request))
    found = json.loads(body)
    left = table["items"][key].get("__no_sort__")
    after = json.dumps(left, sort_keys=True) if left else ""
    error = "" if status == 200 else found["__type"].rsplit("#", 1)[-1]
    assert error in {"", "ConditionalCheckFailedException"}, f"{call} -> {found}"
    # Who another owner is, nobody cares.
    for other in range(9):
        body = body.replace(f'"p{other}"'.encode(), b'"other"')
    return after, Answer(json.dumps(json.loads(body), sort_keys=True), error)


@functools.cache
def _local_table() -> Any:
    status, *_ = local_dynamodb._create_table(
        {
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    assert status == 200
    return local_dynamodb._tables.get(TABLE)


@functools.cache
def _unpacked(text: str) -> dict[str, Any]:
    return unpacked(json.loads(text))


@functools.cache
def _id(text: str) -> str:
    return str(_unpacked(text)["id"])


# The machine.


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
    run = {"id": f"run#{RUN}", "run_id": RUN, "created_at": _STAMP, **record}
    return tuple(sorted(json.dumps(packed(item), sort_keys=True) for item in (run, *claims)))


def _done(stage: str, event: S3Event) -> dict[str, Any]:
    return {"id": claim_key(stage, event), "state": "done", "attempts": 1}


def _failed(message: str, attempts: int) -> dict[str, Any]:
    stage, event = EVENTS[message]
    return {
        "id": claim_key(stage, event),
        **claims_module.about(stage, event, RUN),
        "state": "failed",
        "attempts": attempts,
        "reason": "FailedAttemptError",
        "created_at": _STAMP,
        "updated_at": _STAMP,
    }


def ways_on(state: State, bounds: Bounds) -> Iterator[tuple[str, State]]:
    """Yield everything that may happen next, with its name."""
    for one in dict.fromkeys(state.processes):
        yield f"{one.program} is answered", answer(state, one)
    workers = sum(one.program in EVENTS for one in state.processes)
    if workers < bounds.workers:
        for message in state.queue:
            yield f"{message} is received", receive(state, message)
    if any(_RUNNING in text for text in state.items) and not state.processes:
        yield "the leases end", leases_over(state)
    if state.mishaps < bounds.mishaps:
        yield from _mishaps(state._replace(mishaps=state.mishaps + 1))
    if state.commands < bounds.commands and workers == len(state.processes):
        more = state._replace(commands=state.commands + 1)
        for program in OPERATOR:
            yield program, _joined(more, process(program))


def _mishaps(state: State) -> Iterator[tuple[str, State]]:
    for one in dict.fromkeys(state.processes):
        yield f"{one.program} is killed", _left(state, one, returns=True)
        yield f"the answer to {one.program} is lost", _answered(state, one)[0]
        if one.program in EVENTS and one.stopping < 0 and one.answers:
            told = process(one.program, one.answers, len(one.answers))
            yield f"{one.program} is told to stop", _became(state, one, told)
        if (failed := answer(state, one, fails=True)) != answer(state, one):
            yield f"{one.program} fails", failed
    for message in _published(state):
        if message not in state.queue:
            yield f"{message} comes again", _sent(state, message)
    if state.processes and any(_RUNNING in text for text in state.items):
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
    return _joined(state._replace(queue=queue), process(message))


def answer(state: State, one: Process, *, fails: bool = False) -> State:
    """Let AWS answer a process; and let its attempt succeed or fail, if that is what comes next."""
    state, found = _answered(state, one)
    after = process(one.program, (*one.answers, found), one.stopping)
    if isinstance(after.progress, Call) and after.progress.operation == "attempt":
        said = Answer(json.dumps("fails" if fails else "succeeds"))
        after = process(one.program, (*after.answers, said), one.stopping)
    return _became(state, one, after)


def leases_over(state: State) -> State:
    """Let so much time pass that no lease runs any more."""
    items = tuple(sorted(text.replace(_RUNNING, _OVER) for text in state.items))
    return state._replace(items=items)


def _joined(state: State, one: Process) -> State:
    names = {f"p{index}": f"p{index}" for index in range(len(state.processes))}
    return _named(state, [*state.processes, one], [*names, "new"])


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
    return _named(state, processes, [f"p{place}" for place in range(len(processes))])


def _left(state: State, one: Process, *, returns: bool) -> State:
    """Let a process go; its message returns unless it is dealt with."""
    if returns and one.program in EVENTS:
        state = _sent(state, one.program)
    gone = _name(state, one)
    items = tuple(text.replace(f'"{gone}"', '"gone"') for text in state.items)
    names = [f"p{place}" for place in range(len(state.processes)) if f"p{place}" != gone]
    left = [state.processes[int(name[1:])] for name in names]
    return _named(state._replace(items=items), left, names)


def _named(state: State, processes: list[Process], names: list[str]) -> State:
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
        return _joined(leases_over(state), process("reconcile"))
    dead = any(claim["state"] == "dead" for claim in state.claims.values())
    waiting_still = any(claim["state"] == "waiting" for claim in state.claims.values())
    if state.commands and can_redrive(state.run) and (waiting_still or not dead):
        # A redrive broke off, or somebody who had stalled marked the run after it.
        return _joined(state, process("redrive"))
    return None


def _in_other_hands(state: State, message: str) -> bool:
    stage, event = EVENTS[message]
    claim = state.claims.get(claim_key(stage, event), {})
    return claim.get("state") == "claimed" and claim["lease_until"] > 0


@contextmanager
def stepped() -> Iterator[None]:
    """Let the product's code run without clocks, threads and chance."""

    @contextmanager
    def no_heartbeat(*_: object, **__: object) -> Iterator[None]:
        yield

    me = mock.Mock(uuid4=lambda: mock.Mock(hex="me"))
    with (
        mock.patch.object(task, "Heartbeat", no_heartbeat),
        mock.patch.object(claims_module, "uuid", me),
        mock.patch.object(waiting, "uuid", me),
        mock.patch.object(claims_module, "timestamp", return_value=_STAMP),
        mock.patch.object(ledger, "timestamp", return_value=_STAMP),
        mock.patch.object(records, "timestamp", return_value=_STAMP),
        mock.patch.object(waiting, "timestamp", return_value=_STAMP),
    ):
        yield
