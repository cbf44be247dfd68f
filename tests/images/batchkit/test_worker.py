from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from batchkit import protection
from batchkit import worker as worker_module
from batchkit.dead_letters import DeadLetter, read
from batchkit.events import S3Event
from batchkit.items import unpacked
from batchkit.worker import MEETINGS, Worker
from botocore.exceptions import EndpointConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from batchkit.stage import Context, Handler

    from tests.images.conftest import Place

STAGE = "data-ingestion"
KEY = "positions/a b+ü.csv"


def send(place: Place, body: str | None = None) -> None:
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": place.input_bucket},
            "object": {"key": KEY, "version-id": "v1"},
        },
    }
    place.session.client("sqs").send_message(
        QueueUrl=place.queue_url, MessageBody=body or json.dumps(event)
    )


def worker(place: Place, handler: Handler) -> Worker:
    return Worker(
        place.context(STAGE),
        handler,
        place.session.client("sqs"),
        place.queue_url,
        long_poll_seconds=0,
        retry_seconds=0,
    )


def depth(place: Place) -> tuple[int, int]:
    """Visible and hidden messages."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = place.session.client("sqs").get_queue_attributes(
        QueueUrl=place.queue_url, AttributeNames=names
    )["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def test_a_message_is_worked_and_gone(place: Place) -> None:
    seen: list[S3Event] = []
    one = worker(place, lambda event, _context: seen.append(event))
    assert not one.work_one()
    send(place)
    assert one.work_one()
    assert seen == [S3Event(place.input_bucket, KEY, "v1")]
    assert depth(place) == (0, 0)


def test_a_second_message_for_the_same_object_is_gone_too(place: Place) -> None:
    seen: list[S3Event] = []
    one = worker(place, lambda event, _context: seen.append(event))
    for _ in range(2):
        send(place)
        one.work_one()
    assert len(seen) == 1
    assert depth(place) == (0, 0)


def test_a_failed_message_comes_back(place: Place) -> None:
    attempts: list[int] = []

    def handler(_event: S3Event, _context: Context) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("no memory")

    one = worker(place, handler)
    send(place)
    one.work_one()
    assert depth(place) == (1, 0)
    one.work_one()
    assert depth(place) == (0, 0)
    assert len(attempts) == 2


def test_a_message_whose_work_is_in_other_hands_waits_for_the_lease(place: Place) -> None:
    place.claims.acquire(STAGE, S3Event(place.input_bucket, KEY, "v1"), "run")
    send(place)
    worked: list[Any] = []
    worker(place, lambda *_: worked.append(1)).work_one()
    assert worked == []
    assert depth(place) == (0, 1)


def dead_letters(place: Place) -> list[DeadLetter]:
    return list(read(place.session.client("sqs"), STAGE, place.dead_letter_url))


def test_the_message_of_a_failed_attempt_stays_hidden_for_a_while(place: Place) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no memory")

    send(place)
    replace(worker(place, fails), retry_seconds=30).work_one()
    assert depth(place) == (0, 1)


def test_what_fails_three_times_is_a_dead_letter_and_gone_from_the_queue(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "batchkit")
    attempts: list[int] = []

    def fails(*_: Any) -> None:
        attempts.append(1)
        raise RuntimeError("no memory")

    one = worker(place, fails)
    send(place)
    while one.work_one():
        pass
    assert len(attempts) == 3
    assert depth(place) == (0, 0)
    (letter,) = dead_letters(place)
    assert (letter.reason, letter.attempts) == ("RuntimeError: no memory", 3)
    assert letter.run_id is not None
    assert place.ledger.get(letter.run_id)["state"] == "dead-lettered"
    told = [record.getMessage() for record in caplog.records if record.name == "batchkit.task"]
    assert [text for text in told if "ttempt" in text] == [
        "Attempt 1 of 3 failed.",
        "Attempt 2 of 3 failed.",
        "Dead-lettered after 3 attempts: RuntimeError: no memory",
    ]


def test_a_message_that_is_no_event_is_a_dead_letter_at_once(place: Place) -> None:
    send(place, "not json")
    worked: list[Any] = []
    worker(place, lambda *_: worked.append(1)).work_one()
    assert worked == []
    assert depth(place) == (0, 0)
    (letter,) = dead_letters(place)
    assert letter.body == "not json"
    assert letter.reason.startswith("The message is no JSON")
    assert (letter.run_id, letter.attempts) == (None, 0)


def test_a_message_that_cannot_be_refused_stays(place: Place) -> None:
    worked: list[Any] = []
    one = worker(place, lambda *_: worked.append(1))
    letters = replace(one.context.dead_letters, client=flaky(one.client, send_message=1))
    one = replace(one, context=replace(one.context, dead_letters=letters))
    send(place, "not json")
    one.work_one()
    assert worked == []
    assert depth(place) == (0, 1)


def flaky(client: Any, **failures: int) -> Any:
    return Flaky(client, **failures)


class Flaky:
    """A client of which the first calls of some operations fail, and nothing stays hidden."""

    def __init__(self, client: Any, **failures: int) -> None:
        self._client, self.failures = client, failures

    def __getattr__(self, name: str) -> Any:
        if self.failures.get(name, 0) > 0:
            return partial(self._fail, name)
        if name == "change_message_visibility":
            return self._show
        return getattr(self._client, name)

    def _fail(self, name: str, **_: Any) -> None:
        self.failures[name] -= 1
        raise EndpointConnectionError(endpoint_url="http://nowhere")

    def _show(self, **request: Any) -> None:
        self._client.change_message_visibility(**{**request, "VisibilityTimeout": 0})


def test_a_duplicate_that_keeps_meeting_a_live_claim_goes(place: Place) -> None:
    place.claims.acquire(STAGE, S3Event(place.input_bucket, KEY, "v1"), "run")
    send(place)
    worked: list[Any] = []
    one = worker(place, lambda *_: worked.append(1))
    one = replace(one, client=flaky(one.client))
    for meeting in range(MEETINGS):
        assert depth(place) == (1, 0), meeting
        assert one.work_one()
    assert worked == []
    assert depth(place) == (0, 0)


def test_a_worker_outlasts_a_queue_that_does_not_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receiving fails, hiding fails; deleting fails, and the message returns and is deleted."""
    attempts: list[int] = []

    def handler(*_: Any) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("no memory")

    unreliable = flaky(
        place.session.client("sqs"),
        receive_message=2,
        change_message_visibility=1,
        delete_message=1,
    )
    monkeypatch.setattr(worker_module, "VISIBILITY_SECONDS", 1)
    one = replace(worker(place, handler), client=unreliable, stopping=Impatient())
    send(place)
    with running(one):
        deadline = time.monotonic() + 20
        while any(unreliable.failures.values()) or depth(place) != (0, 0):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert len(attempts) == 2


@contextmanager
def running(one: Worker) -> Iterator[None]:
    """Let a worker run in a thread, which is over at the end whatever happens."""
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        one.stopping.set()
        thread.join(10)
    assert not thread.is_alive()


class Impatient(threading.Event):
    """Does not wait for what need not be waited for."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(0 if timeout else timeout)


def test_what_is_in_hand_is_given_back_claim_and_message(place: Place) -> None:
    seen: list[Any] = []

    def interrupted(*_: Any) -> None:
        one.current.give_back("stopped before it was finished")
        seen.extend((depth(place), *claims(place)))

    one = worker(place, interrupted)
    send(place)
    one.work_one()
    visible_again, claim = seen
    assert visible_again == (1, 0)
    assert (claim["state"], claim["attempts"]) == ("failed", 0)


def claims(place: Place) -> list[dict[str, Any]]:
    items = place.session.client("dynamodb").scan(TableName=place.table)["Items"]
    return [item for item in map(unpacked, items) if item["id"].startswith("claim#")]


def test_a_worker_is_protected_while_it_has_a_message_and_no_longer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextmanager
    def protected(agent: str | None) -> Iterator[None]:
        told.append(f"protected by {agent}")
        yield
        told.append("released")

    monkeypatch.setattr(protection, "from_scale_in", protected)
    place.options[protection.AGENT_VARIABLE] = "http://agent"
    one = worker(place, lambda *_: told.append("worked"))
    assert not one.work_one()
    send(place)
    assert one.work_one()
    assert told == ["protected by http://agent", "worked", "released"]


def test_a_stopping_worker_finishes_what_it_has_and_takes_nothing_new(place: Place) -> None:
    began, go = threading.Event(), threading.Event()

    def handler(_event: S3Event, _context: Context) -> None:
        began.set()
        assert go.wait(10)

    one = worker(place, handler)
    send(place)
    with running(one):
        assert began.wait(10)
        one.stopping.set()
        go.set()
    assert depth(place) == (0, 0)


def test_a_message_received_while_stopping_is_given_back(place: Place) -> None:
    worked: list[Any] = []
    one = worker(place, lambda *_: worked.append(1))
    send(place)
    one.stopping.set()
    assert one.work_one()
    assert worked == []
    assert depth(place) == (1, 0)
