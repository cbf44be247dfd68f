from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.claims import Claim, Finished, claim_key
from batchkit.dead_letters import read
from batchkit.errors import NotDeadError, UnknownRunError, UnknownStageError
from batchkit.place import Sent
from batchkit.redrive import drain_dead_letters, redrive
from batchkit.states import RunState
from batchkit.task import perform

from tests.images.batchkit.test_reconcile import RISK, claimed, later, publish, queued, work

if TYPE_CHECKING:
    from batchkit.events import S3Event
    from batchkit.stage import Context

    from tests.images.conftest import Place


def fails(_event: S3Event, _context: Context) -> None:
    raise RuntimeError("no memory")


def kill(place: Place, event: S3Event) -> None:
    """Let a piece of work fail until it is a dead letter."""
    for _ in range(3):
        with pytest.raises(RuntimeError):
            perform(event, place.context(RISK), fails)


def died_after_its_report(place: Place) -> tuple[str, S3Event]:
    """A reported run, and a piece of it that is a dead letter."""
    event, (first, _) = publish(place)
    run = place.run_id(event)
    place.ledger.advance(run, RunState.REPORTED)
    kill(place, first)
    return run, first


def letters(place: Place) -> list[str | None]:
    sqs = place.session.client("sqs")
    return [letter.run_id for letter in read(sqs, RISK, place.dead_letter_url)]


def test_a_dead_lettered_run_goes_on_where_it_was(place: Place) -> None:
    event, (first, second) = publish(place)
    run = place.run_id(event)
    kill(place, first)
    assert place.ledger.get(run)["state"] == "dead-lettered"
    perform(second, place.context(RISK), lambda *_: None)
    assert redrive(work(place), run) == (Sent(run, RISK, first.key, first.version_id),)
    record = place.ledger.get(run)
    assert record["state"] == "calculating"
    assert not {"dead_claims", "state_before", "reason"} & set(record)
    assert queued(place) == [first]
    # All attempts are before it again; what was done stays done.
    assert claimed(place, RISK, first).attempt == 1
    assert place.claims.acquire(RISK, second, run) == Finished()


def test_dead_work_of_a_reported_run_is_redriven_and_the_run_stays_reported(place: Place) -> None:
    event, (first, second) = publish(place)
    run = place.run_id(event)
    perform(second, place.context(RISK), lambda *_: None)
    place.ledger.advance(run, RunState.REPORTED)
    kill(place, first)
    assert redrive(work(place), run) == (Sent(run, RISK, first.key, first.version_id),)
    record = place.ledger.get(run)
    assert record["state"] == "reported"
    assert "dead_claims" not in record
    assert later(place, lookback_hours=None).sent == ()
    assert claimed(place, RISK, first).attempt == 1
    with pytest.raises(NotDeadError):
        redrive(work(place), run)


def test_a_redriven_piece_that_dies_before_the_redrive_has_ended_can_be_redriven(
    place: Place,
) -> None:
    run, first = died_after_its_report(place)
    whole = work(place)

    class AtOnce:
        """Sends a message to a worker that fails before the sender goes on."""

        def send_message(self, **_: Any) -> None:
            kill(place, first)

    sqs: Any = AtOnce()
    redrive(replace(whole, sqs=sqs), run)
    assert place.claims.find(claim_key(RISK, first))["state"] == "dead"
    assert redrive(whole, run) == (Sent(run, RISK, first.key, first.version_id),)


@pytest.mark.parametrize(
    ("client", "operation", "nth"),
    [("dynamodb", "update_item", 1), ("sqs", "send_message", 1), ("dynamodb", "update_item", 2)],
)
def test_a_redrive_of_a_reported_run_that_breaks_off_is_finished_by_the_same_again(
    place: Place, client: str, operation: str, nth: int
) -> None:
    run, _ = died_after_its_report(place)
    whole = work(place)
    broken: Any = {client: BreaksOff(getattr(whole, client), operation, nth)}
    with pytest.raises(KeyboardInterrupt):
        redrive(replace(whole, **broken), run)
    assert len(redrive(whole, run)) == 1
    with pytest.raises(NotDeadError):
        redrive(whole, run)


def test_all_dead_pieces_of_a_run_are_redriven(place: Place) -> None:
    event, shards = publish(place)
    for shard in shards:
        kill(place, shard)
    assert len(redrive(work(place), place.run_id(event))) == 2
    assert sorted(queued(place), key=str) == shards


def test_a_redrive_of_a_run_that_never_was_or_lives_says_so(place: Place) -> None:
    event, _ = publish(place)
    with pytest.raises(UnknownRunError, match="has no run 'never'"):
        redrive(work(place), "never")
    with pytest.raises(NotDeadError, match="is not dead-lettered but calculating"):
        redrive(work(place), place.run_id(event))


def test_a_redrive_of_a_stage_that_is_gone_changes_nothing(place: Place) -> None:
    event, (shard, _) = publish(place)
    kill(place, shard)
    before = place.ledger.get(place.run_id(event))
    with pytest.raises(UnknownStageError, match=f"no stage '{RISK}'"):
        redrive(replace(work(place), routes=()), place.run_id(event))
    assert place.ledger.get(place.run_id(event)) == before
    assert place.claims.find(claim_key(RISK, shard))["state"] == "dead"


class BreaksOff:
    """A client whose call of one operation is the last thing that happens."""

    def __init__(self, client: Any, operation: str, nth: int) -> None:
        self._client, self._operation, self._left = client, operation, nth

    def __getattr__(self, name: str) -> Any:
        if name == self._operation:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
        return getattr(self._client, name)


@pytest.mark.parametrize(
    ("client", "operation", "nth"),
    [
        ("dynamodb", "update_item", 1),
        ("dynamodb", "update_item", 2),
        ("dynamodb", "update_item", 3),
        ("sqs", "send_message", 1),
        ("sqs", "send_message", 2),
        ("dynamodb", "update_item", 4),
    ],
)
def test_a_redrive_that_breaks_off_is_finished_by_the_same_again(
    place: Place, client: str, operation: str, nth: int
) -> None:
    event, shards = publish(place)
    for shard in shards:
        kill(place, shard)
    run = place.run_id(event)
    whole = work(place)
    broken: Any = {client: BreaksOff(getattr(whole, client), operation, nth)}
    with pytest.raises(KeyboardInterrupt):
        redrive(replace(whole, **broken), run)
    assert len(redrive(whole, run)) == 2
    assert set(queued(place)) == set(shards)
    assert place.ledger.get(run)["state"] == "calculating"
    with pytest.raises(NotDeadError):
        redrive(whole, run)


def test_a_redrive_that_breaks_off_before_it_sends_is_finished_by_a_reconcile(
    place: Place,
) -> None:
    event, (shard, other) = publish(place)
    kill(place, shard)
    perform(other, place.context(RISK), lambda *_: None)
    whole = work(place)
    broken: Any = BreaksOff(whole.sqs, "send_message", 1)
    with pytest.raises(KeyboardInterrupt):
        redrive(replace(whole, sqs=broken), place.run_id(event))
    assert [sent.key for sent in later(place).sent] == [shard.key]


def test_a_redrive_takes_back_what_was_stopped_half_way_to_the_dead_letters(place: Place) -> None:
    event, (shard, _) = publish(place)
    run = place.run_id(event)
    stale = claimed(place, RISK, shard)
    place.ledger.dead_letter(run, stale.id, "no memory")  # and there it was stopped
    redrive(work(place), run)
    assert queued(place) == [shard]
    assert isinstance(place.claims.acquire(RISK, shard, run), Claim)


def test_a_run_whose_report_came_in_spite_of_all_is_reported_by_a_redrive(place: Place) -> None:
    event, (shard, _) = publish(place)
    run = place.run_id(event)
    kill(place, shard)
    assert place.ledger.advance(run, RunState.REPORTED)
    assert place.ledger.get(run)["state"] == "dead-lettered"
    redrive(work(place), run)
    assert place.ledger.get(run)["state"] == "reported"


def test_the_letters_of_some_runs_attempts_are_drained_and_no_others(place: Place) -> None:
    event, (shard, other) = publish(place)
    kill(place, shard)
    context = place.context(RISK)
    context.dead_letters.put("not json", "no event", attempts=0)
    context.dead_letters.put(other.to_message(), "ours too", attempts=3, run="second-run")
    context.dead_letters.put(other.to_message(), "not ours", attempts=3, run="another-run")
    place.session.client("sqs").send_message(
        QueueUrl=place.dead_letter_url, MessageBody=other.to_message()
    )
    run = place.run_id(event)
    queues = {RISK: place.dead_letter_url}
    assert drain_dead_letters(work(place), queues, [run, "second-run"]) == 2
    # The event is of the run, but no attempt at it has failed.
    assert sorted(letters(place), key=str) == [None, run, "another-run"]


def test_what_is_redriven_is_waited_for_no_longer_than_what_is_new(place: Place) -> None:
    event, (first, _) = publish(place)
    later(place)
    kill(place, first)
    redrive(work(place), place.run_id(event))
    assert [sent.key for sent in later(place, seconds=700).sent] == [first.key]
