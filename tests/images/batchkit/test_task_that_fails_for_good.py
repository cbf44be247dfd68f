"""What becomes of work that no attempt can finish, and of the run that it belongs to."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.claims import Claim, Claims, claim_key
from batchkit.dead_letters import DeadLetter, DeadLetterQueue, read
from batchkit.errors import BadEventError, UnknownRunError
from batchkit.events import S3Event, from_message
from batchkit.ledger import Ledger
from batchkit.states import RunState
from batchkit.task import Worked, perform

from tests.images.batchkit.conftest import STAGE, nothing

if TYPE_CHECKING:
    from batchkit.stage import Context

    from tests.images.conftest import Place


def fails(_event: S3Event, _context: Context) -> None:
    raise RuntimeError("no memory")


def letters(place: Place) -> list[DeadLetter]:
    return list(read(place.session.client("sqs"), STAGE, place.dead_letter_url))


def test_the_third_failure_is_a_dead_letter_of_its_run(place: Place, event: S3Event) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no memory"):
            perform(event, place.context(STAGE), fails)
    run = place.run_id(event)
    record = place.ledger.get(run)
    assert (record["state"], record["reason"]) == ("dead-lettered", "RuntimeError: no memory")
    assert record["dead_claims"] == {claim_key(STAGE, event)}
    assert place.claims.find(claim_key(STAGE, event))["state"] == "dead"
    (letter,) = letters(place)
    assert from_message(letter.body) == event
    assert (letter.run_id, letter.attempts) == (run, 3)
    # The same event once more changes nothing.
    assert perform(event, place.context(STAGE), nothing) == Worked()
    assert len(letters(place)) == 1


def earlier(place: Place, seconds: float) -> Claims:
    return replace(place.claims, clock=lambda: time.time() - seconds)


def vanish(place: Place, event: S3Event) -> None:
    """Let three owners take the work, one after the other, and never be heard of again."""
    for seconds in (1000, 900, 800):
        assert isinstance(earlier(place, seconds).acquire(STAGE, event, "run"), Claim)


def test_work_whose_three_owners_vanished_is_a_dead_letter(place: Place, event: S3Event) -> None:
    vanish(place, event)
    event = replace(event, failure="exit code 137, OutOfMemoryError")
    assert perform(event, place.context(STAGE), nothing) == Worked()
    (letter,) = letters(place)
    assert letter.reason == "exit code 137, OutOfMemoryError"
    assert place.ledger.get(place.run_id(event))["state"] == "dead-lettered"


@pytest.mark.parametrize("broken", ["ledger", "letters", "claims"])
def test_a_dead_letter_that_is_stopped_half_way_is_finished_by_the_next(
    place: Place, event: S3Event, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    vanish(place, event)
    stopped = {"ledger": (Ledger, "dead_letter"), "letters": (DeadLetterQueue, "put")}
    target, name = stopped.get(broken, (Claims, "bury"))
    with monkeypatch.context() as change:
        change.setattr(target, name, stop)
        context = place.context(STAGE)
        with pytest.raises(KeyboardInterrupt):
            perform(event, replace(context, claims=earlier(place, 700)), nothing)
    perform(event, place.context(STAGE), nothing)
    assert place.claims.find(claim_key(STAGE, event))["state"] == "dead"
    assert place.ledger.get(place.run_id(event))["state"] == "dead-lettered"
    assert len(letters(place)) == (2 if broken == "claims" else 1)


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("error", [BadEventError("no shard"), UnknownRunError("no run 'r1'")])
def test_an_object_that_no_run_wrote_is_a_dead_letter_at_once(
    place: Place, error: Exception
) -> None:
    def refuses(_event: S3Event, _context: Context) -> None:
        raise error

    foreign = S3Event(place.output_bucket, "runs/r1/shards/x.parquet", "v1")
    with pytest.raises(type(error)):
        perform(foreign, place.context(STAGE), refuses)
    (letter,) = letters(place)
    assert (letter.run_id, letter.attempts) == ("r1", 1)
    assert place.claims.find(claim_key(STAGE, foreign))["state"] == "dead"


def test_a_foreign_object_among_a_runs_does_not_stop_the_run(place: Place) -> None:
    def refuses(_event: S3Event, _context: Context) -> None:
        raise BadEventError("no shard")

    place.ledger.begin("r1", S3Event("b", "k"))
    foreign = S3Event(place.output_bucket, "runs/r1/shards/x.parquet", "v1")
    with pytest.raises(BadEventError):
        perform(foreign, place.context(STAGE), refuses)
    record = place.ledger.get("r1")
    assert (record["state"], record["dead_claims"]) == ("ingesting", {claim_key(STAGE, foreign)})


CLOSING = "runs/r1/risk/complete.json"


def fail_for_good(place: Place, error: Exception, attempts: int) -> S3Event:
    """Let work on a run's object fail as often as it is tried."""

    def fails_so(_event: S3Event, _context: Context) -> None:
        raise error

    event = S3Event(place.output_bucket, CLOSING, "v1")
    for _ in range(attempts):
        with pytest.raises(type(error)):
            perform(event, place.context(STAGE), fails_so)
    perform(event, place.context(STAGE), lambda *_: pytest.fail("worked once more"))
    return event


FAILURES = [
    (RuntimeError("no memory"), 3),
    (BadEventError("no shard"), 1),
    (UnknownRunError("no run 'r2'"), 1),
]


@pytest.mark.parametrize(("error", "attempts"), FAILURES)
def test_what_fails_after_its_run_was_rejected_is_no_dead_letter(
    place: Place, error: Exception, attempts: int
) -> None:
    place.ledger.begin("r1", S3Event("b", "k"))
    place.ledger.reject("r1", "The file is empty.")
    event = fail_for_good(place, error, attempts)
    assert letters(place) == []
    assert place.claims.find(claim_key(STAGE, event))["state"] == "done"


@pytest.mark.parametrize(("error", "attempts"), FAILURES)
@pytest.mark.parametrize("finished", [False, True], ids=["", "another piece of the stage is done"])
def test_what_fails_after_its_run_was_reported_is_a_dead_letter_and_the_report_stays(
    place: Place, error: Exception, attempts: int, *, finished: bool
) -> None:
    place.ledger.begin("r1", S3Event("b", "k"))
    if finished:
        place.ledger.finish_stage("r1", STAGE)
    place.ledger.advance("r1", RunState.REPORTED)
    event = fail_for_good(place, error, attempts)
    (letter,) = letters(place)
    assert (letter.run_id, letter.reason) == ("r1", f"{type(error).__name__}: {error}")
    assert letter.attempts == attempts
    assert place.claims.find(claim_key(STAGE, event))["state"] == "dead"
    record = place.ledger.get("r1")
    assert record["state"] == "reported"
    assert record["dead_claims"] == {claim_key(STAGE, event)}
