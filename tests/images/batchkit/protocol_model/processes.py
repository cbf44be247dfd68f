"""The processes: the product's code, with clients that know what was answered so far."""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

from batchkit import claims as claims_module
from batchkit import ledger, records, task, waiting
from batchkit.claims import Claims
from batchkit.dead_letters import DeadLetterQueue
from batchkit.environment import TaskEnvironment
from batchkit.errors import LostClaimError
from batchkit.ledger import Ledger
from batchkit.metrics import Metrics
from batchkit.place import Place
from batchkit.reconcile import reconcile
from batchkit.redrive import redrive
from batchkit.stage import Context
from batchkit.states import FINAL_STATES, RunState
from batchkit.storage import Storage
from batchkit.task import Busy, CurrentWork, perform
from botocore.exceptions import ClientError
from risk_calculation import calculate

from tests.images.batchkit.protocol_model.run import (
    AFTER,
    EVENTS,
    INPUT,
    LATE_ROUTE,
    MANIFEST,
    OPERATOR,
    OUTPUT,
    RISK,
    ROUTES,
    RUN,
    STAMP,
    TABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batchkit.events import S3Event


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
    if not late and context.ledger.get(context.run_id)["state"] in FINAL_STATES:
        return
    if client.call("attempt") == "fails":
        raise FailedAttemptError
    if context.task.stage == RISK:
        shard = "00000" if event == EVENTS["shard 0"][1] else "00001"
        calculate._count(shard, MANIFEST, context)
    elif not late:
        context.ledger.advance(context.run_id, RunState.REPORTED)


def _context(stage: str, clients: Any) -> Context:
    environment = TaskEnvironment(
        stage, "test", "eu-west-1", INPUT, OUTPUT, TABLE, "queue", "dead-letters", {}
    )
    return Context(
        task=environment,
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
        routes = (*ROUTES, LATE_ROUTE) if one.program == "redrive" else ROUTES
        place = Place(clients, clients, clients, INPUT, OUTPUT, TABLE, routes)
        if one.program == "redrive":
            redrive(place, RUN, clock=lambda: 0.0)
        else:
            # Everything was written at this moment, and is old enough for it.
            reconcile(
                place,
                lookback_hours=None,
                expected_minutes=60,
                grace_seconds=-1,
                clock=lambda: 0.0,
            )
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
        mock.patch.object(claims_module, "timestamp", return_value=STAMP),
        mock.patch.object(ledger, "timestamp", return_value=STAMP),
        mock.patch.object(records, "timestamp", return_value=STAMP),
        mock.patch.object(waiting, "timestamp", return_value=STAMP),
    ):
        yield
