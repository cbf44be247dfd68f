from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.claims import Claim, claim_key
from batchkit.events import S3Event, from_message
from batchkit.place import Place as Work
from batchkit.place import Route, Sent
from batchkit.reconcile import Reconciled, reconcile
from batchkit.runs import RunKeys
from batchkit.states import RunState

if TYPE_CHECKING:
    from tests.images.conftest import Place

INGESTION, RISK = "data-ingestion", "risk-calculation"
LATER = 3600.0
KEYS = ["positions/a b+ü.csv", "positions/'quotes\" and %20.csv", "positions/" + "ß" * 507]


def work(place: Place) -> Work:
    return Work(
        s3=place.session.client("s3"),
        sqs=place.session.client("sqs"),
        dynamodb=place.session.client("dynamodb"),
        input_bucket=place.input_bucket,
        output_bucket=place.output_bucket,
        table=place.table,
        routes=(
            Route(INGESTION, "input", "positions/*", place.queue_url),
            Route(RISK, "output", "runs/*/shards/*.parquet", place.queue_url),
        ),
    )


def later(place: Place, seconds: float = LATER, **settings: Any) -> Reconciled:
    limits = {"lookback_hours": 72, "expected_minutes": 60, **settings}
    return reconcile(work(place), clock=lambda: time.time() + seconds, **limits)


def queued(place: Place) -> list[S3Event]:
    """Take everything from the queue."""
    sqs = place.session.client("sqs")
    found = []
    while batch := sqs.receive_message(QueueUrl=place.queue_url, MaxNumberOfMessages=10).get(
        "Messages"
    ):
        for message in batch:
            found.append(from_message(message["Body"]))
            sqs.delete_message(QueueUrl=place.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return found


def publish(place: Place, *, shards: int = 2) -> tuple[S3Event, list[S3Event]]:
    """Make a run that is calculating, and return its input and its shards."""
    event = place.upload("positions/a.csv", b"x")
    run = place.run_id(event)
    place.ledger.begin(run, event)
    place.claims.complete(claimed(place, INGESTION, event))
    place.ledger.advance(run, RunState.CALCULATING, shards=shards)
    storage = place.context(RISK).storage
    keys = [RunKeys(run).shard(f"{index:05d}") for index in range(shards)]
    for key in [*keys, RunKeys(run).manifest]:
        storage.put_once(key, b"x", "text/plain")
    return event, [place.written(key) for key in keys]


def claimed(place: Place, stage: str, event: S3Event) -> Claim:
    claim = place.claims.acquire(stage, event, place.run_id(event))
    assert isinstance(claim, Claim)
    return claim


@pytest.mark.parametrize("key", KEYS, ids=["unicode", "quotes", "long"])
def test_an_input_that_nobody_was_told_of_is_sent_as_it_is_called(place: Place, key: str) -> None:
    assert len(KEYS[-1].encode()) == 1024
    event = place.upload(key, b"x")
    found = later(place)
    assert found.sent == (Sent(place.run_id(event), INGESTION, key, event.version_id),)
    assert queued(place) == [event]
    assert place.claims.find(claim_key(INGESTION, event))["state"] == "waiting"
    assert isinstance(place.claims.acquire(INGESTION, event, "run"), Claim)


def test_every_version_is_a_run_of_its_own(place: Place) -> None:
    versions = [place.upload("positions/a.csv", body) for body in (b"1", b"2")]
    later(place)
    assert sorted(queued(place), key=str) == sorted(versions, key=str)


def test_what_starts_nothing_is_left_alone(place: Place) -> None:
    place.upload("market-data/x.csv", b"x")
    place.work(INGESTION, place.upload("positions/folder/", b""))
    found = later(place)
    assert (found.sent, found.open_runs, found.inputs) == ((), 0, 1)


def test_shards_of_an_open_run_that_nobody_works_are_sent(place: Place) -> None:
    _, shards = publish(place)
    assert later(place).open_runs == 1
    assert sorted(queued(place), key=str) == shards


def test_a_shard_that_was_written_again_is_sent_once_as_it_is_now(place: Place) -> None:
    _, (shard,) = publish(place, shards=1)
    place.session.client("s3").put_object(Bucket=shard.bucket, Key=shard.key, Body=b"x")
    now = place.written(shard.key)
    assert now.version_id != shard.version_id
    later(place)
    assert queued(place) == [now]


@pytest.mark.parametrize("state", [RunState.REPORTED, RunState.REJECTED, RunState.DEAD_LETTERED])
def test_a_run_with_an_end_is_left_alone(place: Place, state: RunState) -> None:
    event, _ = publish(place)
    run = place.run_id(event)
    if state is RunState.REPORTED:
        place.ledger.advance(run, state)
    elif state is RunState.REJECTED:
        place.ledger.reject(run, "empty")
    else:
        place.ledger.dead_letter(run, "claim", "no memory")
    assert later(place) == Reconciled(1, 0, 0, 0.0, ())


def test_what_is_done_dead_or_in_good_hands_is_left_alone(place: Place) -> None:
    _, (done, dead, held) = publish(place, shards=3)
    place.claims.complete(claimed(place, RISK, done))
    place.claims.bury(claimed(place, RISK, dead), "no memory")
    claimed(place, RISK, held)
    assert later(place, seconds=30, grace_seconds=0).sent == ()
    # When its lease is over by more than the grace, its owner is gone.
    assert later(place).sent[0].key == held.key


def test_what_is_young_is_on_its_way(place: Place) -> None:
    publish(place)
    assert later(place, seconds=500).sent == ()
    assert len(later(place, seconds=700).sent) == 2


def test_what_waits_is_sent_again_after_twice_the_time(place: Place) -> None:
    place.upload("positions/a.csv", b"x")
    sent_at = [
        seconds for seconds in range(0, 9000, 300) if later(place, seconds=float(seconds)).sent
    ]
    assert sent_at == [600, 1800, 4200, 9000][: len(sent_at)]
    assert len(sent_at) == 3


def test_an_attempt_that_failed_long_ago_keeps_its_attempts(place: Place) -> None:
    event = place.upload("positions/a.csv", b"x")
    place.claims.fail(claimed(place, INGESTION, event), "no memory")
    assert len(later(place).sent) == 1
    assert claimed(place, INGESTION, event).attempt == 2


def test_two_at_once_send_each_piece_once(place: Place) -> None:
    _, shards = publish(place)
    place.upload("positions/b.csv", b"x")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: later(place), range(4)))
    assert sum(len(one.sent) for one in found) == 3
    assert len(queued(place)) == len(shards) + 1


def test_old_input_is_looked_at_only_when_asked(place: Place) -> None:
    place.upload("positions/a.csv", b"x")
    week = 7 * 24 * 3600.0
    assert later(place, seconds=week) == Reconciled(0, 0, 0, 0.0, ())
    assert len(later(place, seconds=week, lookback_hours=None).sent) == 1


def test_open_runs_are_overdue_when_they_take_longer_than_expected(place: Place) -> None:
    publish(place)
    place.upload("positions/never-begun.csv", b"x")
    found = later(place, seconds=3000, expected_minutes=60)
    assert (found.open_runs, found.overdue_runs) == (2, 0)
    found = later(place, seconds=4000, expected_minutes=60)
    assert (found.open_runs, found.overdue_runs) == (2, 2)
    assert 3990 < found.oldest_open_seconds < 4100


class Counting:
    """Counts the calls of a client."""

    def __init__(self, client: Any, calls: list[str]) -> None:
        self._client, self._calls = client, calls
        client.meta.events.register("before-call", self._count, unique_id="counting")

    def _count(self, model: Any, **_: Any) -> None:
        self._calls.append(model.name)

    def stop(self) -> None:
        self._client.meta.events.unregister("before-call", unique_id="counting")


def test_when_nothing_is_to_do_it_costs_two_calls(place: Place) -> None:
    for name in ("a", "b"):
        event = place.upload(f"positions/{name}.csv", b"x")
        place.ledger.begin(place.run_id(event), event)
        place.ledger.reject(place.run_id(event), "empty")
    calls: list[str] = []
    counting = [Counting(place.session.client(name), calls) for name in ("s3", "dynamodb", "sqs")]
    later(place)
    for one in counting:
        one.stop()
    assert calls == ["ListObjectVersions", "BatchGetItem"]


def test_more_runs_than_fit_into_one_answer(place: Place) -> None:
    s3 = place.session.client("s3")
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda index: s3.put_object(
                    Bucket=place.input_bucket, Key=f"positions/{index}.csv", Body=b"x"
                ),
                range(120),
            )
        )
    assert len(later(place).sent) == 120
    assert len(queued(place)) == 120
