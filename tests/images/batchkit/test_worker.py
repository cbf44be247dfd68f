from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from batchkit import protection
from batchkit.events import S3Event
from batchkit.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def test_a_failed_message_comes_back_at_once(place: Place) -> None:
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
    worker(place, lambda *_: pytest.fail("worked")).work_one()
    assert depth(place) == (0, 1)


def test_a_message_that_is_no_event_stays_for_the_dead_letters(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    send(place, "not json")
    worker(place, lambda *_: pytest.fail("worked")).work_one()
    assert depth(place) == (0, 1)
    assert "no JSON" in caplog.text


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
    thread = threading.Thread(target=one.run)
    thread.start()
    assert began.wait(10)
    one.stopping.set()
    go.set()
    thread.join(10)
    assert not thread.is_alive()
    assert depth(place) == (0, 0)


def test_a_message_received_while_stopping_is_given_back(place: Place) -> None:
    one = worker(place, lambda *_: pytest.fail("worked"))
    send(place)
    one.stopping.set()
    assert one.work_one()
    assert depth(place) == (1, 0)
