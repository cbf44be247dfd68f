from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from batchkit.claims import Claim, claim_key
from batchkit.errors import BadEventError, CrashError, Rejected
from batchkit.events import S3Event
from batchkit.states import RunState
from batchkit.task import Busy, CurrentWork, Worked, perform

from tests.images.batchkit.conftest import STAGE, nothing

if TYPE_CHECKING:
    from batchkit.stage import Context

    from tests.images.conftest import Place


def test_the_same_event_twice_is_worked_once(place: Place, event: S3Event) -> None:
    runs: list[str] = []

    def handler(_event: S3Event, context: Context) -> None:
        runs.append(context.run_id)

    for _ in range(2):
        assert perform(event, place.context(STAGE), handler) == Worked()
    assert runs == [place.run_id(event)]


def test_an_event_of_the_output_bucket_belongs_to_the_run_in_its_key(place: Place) -> None:
    seen: list[str] = []
    perform(
        S3Event(place.output_bucket, "runs/r1/shards/00000.parquet"),
        place.context(STAGE),
        lambda _event, context: seen.append(context.run_id),
    )
    assert seen == ["r1"]


def test_work_in_other_hands_is_left_alone(place: Place, event: S3Event) -> None:
    place.claims.acquire(STAGE, event, "run")
    outcome = perform(event, place.context(STAGE), lambda *_: pytest.fail("worked"))
    assert isinstance(outcome, Busy)
    assert 0 < outcome.until - time.time() <= 60


def test_a_failure_frees_the_claim_and_is_raised(place: Place, event: S3Event) -> None:
    def fails(_event: S3Event, _context: Context) -> None:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        perform(event, place.context(STAGE), fails)
    assert place.claims.find(claim_key(STAGE, event))["reason"] == "RuntimeError: no memory"
    assert perform(event, place.context(STAGE), nothing) == Worked()
    assert place.claims.find(claim_key(STAGE, event))["attempts"] == 2


def test_a_library_that_panics_fails_the_attempt_and_not_its_worker(
    place: Place, event: S3Event
) -> None:
    class PanicException(BaseException):
        pass

    def panics(_event: S3Event, _context: Context) -> None:
        raise PanicException("index out of bounds")

    reason = "PanicException: index out of bounds"
    with pytest.raises(CrashError, match=reason):
        perform(event, place.context(STAGE), panics)
    assert place.claims.find(claim_key(STAGE, event))["reason"] == f"CrashError: {reason}"


@pytest.mark.parametrize("signal", [SystemExit(143), KeyboardInterrupt()])
def test_who_ends_the_process_is_not_taken_for_a_failure(
    place: Place, event: S3Event, signal: BaseException
) -> None:
    def ends(_event: S3Event, _context: Context) -> None:
        raise signal

    with pytest.raises(type(signal)):
        perform(event, place.context(STAGE), ends)
    assert place.claims.find(claim_key(STAGE, event))["state"] == "claimed"


def test_an_input_that_makes_no_sense_to_its_stage_is_its_runs_end(
    place: Place, event: S3Event
) -> None:
    def refuses(_event: S3Event, _context: Context) -> None:
        raise BadEventError("no position")

    with pytest.raises(BadEventError):
        perform(event, place.context(STAGE), refuses)
    assert place.ledger.get(place.run_id(event))["state"] == "dead-lettered"


def test_a_rejected_input_is_an_outcome_with_a_record_and_a_file(
    place: Place, event: S3Event
) -> None:
    def rejects(_event: S3Event, _context: Context) -> None:
        raise Rejected("The file is empty.")

    assert perform(event, place.context(STAGE), rejects) == Worked()
    run = place.run_id(event)
    record = place.ledger.get(run)
    assert (record["state"], record["reason"]) == ("rejected", "The file is empty.")
    written = place.read_json(f"runs/{run}/rejected.json")
    assert written["reason"] == "The file is empty."
    assert written["stage"] == STAGE
    assert written["input"] == {
        "bucket": event.bucket,
        "key": "positions/a.csv",
        "version_id": "v1",
    }
    assert place.claims.find(claim_key(STAGE, event))["state"] == "done"


def test_a_reported_run_is_not_rejected_any_more(place: Place) -> None:
    place.ledger.begin("r1", S3Event("b", "k"))
    place.ledger.advance("r1", RunState.REPORTED)

    def rejects(_event: S3Event, _context: Context) -> None:
        raise Rejected("late")

    event = S3Event(place.output_bucket, "runs/r1/shards/00000.parquet")
    perform(event, place.context(STAGE), rejects)
    assert place.ledger.get("r1")["state"] == "reported"
    assert place.output_keys() == []


def test_a_stalled_owner_does_not_complete_what_another_took_over(
    place: Place, event: S3Event
) -> None:
    context = place.context(STAGE)

    def stalls(_event: S3Event, _context: Context) -> None:
        later = replace(context.claims, clock=lambda: time.time() + 1000)
        assert isinstance(later.acquire(STAGE, event, "run"), Claim)

    assert perform(event, context, stalls) == Worked()
    item = place.claims.find(claim_key(STAGE, event))
    assert (item["state"], item["attempts"]) == ("claimed", 2)


def test_the_lease_is_renewed_while_the_work_lasts(place: Place, event: S3Event) -> None:
    context = place.context(STAGE)
    # Renewed three times within each; a machine that stalls for less takes no lease away.
    context = replace(context, claims=replace(context.claims, lease_seconds=3))
    ends: list[float] = []

    def slow(_event: S3Event, _context: Context) -> None:
        deadline = time.monotonic() + 20
        while len(set(ends)) < 3 and time.monotonic() < deadline:
            ends.append(place.claims.find(claim_key(STAGE, event))["lease_until"])
            time.sleep(0.1)

    assert perform(event, context, slow) == Worked()
    assert ends == sorted(ends)
    assert len(set(ends)) == 3
    assert place.claims.find(claim_key(STAGE, event))["state"] == "done"


@pytest.mark.parametrize("version", [None, "gone"])
def test_an_object_that_is_gone_rejects_its_run_in_words(place: Place, version: str | None) -> None:
    event = S3Event(place.input_bucket, "positions/a.csv", version)

    def reads(event: S3Event, context: Context) -> None:
        context.storage.read(event.bucket, event.key, event.version_id)

    assert perform(event, place.context(STAGE), reads) == Worked()
    record = place.ledger.get(place.run_id(event))
    assert record["state"] == "rejected"
    assert "does not exist" in record["reason"]
    assert "Upload the input again" in record["reason"]


def test_a_former_owner_rejects_nothing(place: Place, event: S3Event) -> None:
    context = place.context(STAGE)

    def stalls(_event: S3Event, _context: Context) -> None:
        later = replace(context.claims, clock=lambda: time.time() + 1000)
        assert isinstance(later.acquire(STAGE, event, "run"), Claim)
        raise Rejected("an old opinion")

    assert perform(event, context, stalls) == Worked()
    assert place.output_keys() == []


def test_what_is_in_hand_can_be_given_back(place: Place, event: S3Event) -> None:
    current = CurrentWork()

    def interrupted(_event: S3Event, _context: Context) -> None:
        current.give_back("stopped")
        assert place.claims.find(claim_key(STAGE, event))["state"] == "failed"

    perform(event, place.context(STAGE), interrupted, current=current)
    current.give_back("nothing is in hand any more")
    item = place.claims.find(claim_key(STAGE, event))
    assert (item["reason"], item["attempts"]) == ("stopped", 0)
