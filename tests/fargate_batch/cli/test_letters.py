"""What is done with dead letters: redriven, sent again, listed, given up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from batchkit.claims import Claim, Claims, claim_key
from batchkit.dead_letters import DeadLetterQueue
from batchkit.events import S3Event
from batchkit.ledger import Ledger
from batchkit.runs import RunKeys
from batchkit.states import RunState

from tests.fargate_batch.cli.runs import (
    INGESTION,
    begin,
    bury,
    out_rows,
    run_of,
    stray,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_redriven_run_goes_on_where_it_was_and_its_letters_go(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    other, other_event = begin(launched, "positions/other.csv")
    bury(launched, run, event)
    bury(launched, other, other_event)
    ended = batch("redrive", run)
    assert ended.out.splitlines() == [
        f"{run}: positions/book.csv to data-ingestion",
        "1 pieces of 1 runs are on their queues again.",
    ]
    assert launched.ledger.get(run)["state"] == "ingesting"
    (message,) = launched.messages(launched.queues[INGESTION])
    assert json.loads(message)["detail"]["object"]["key"] == event.key
    left = json.loads(batch("dead-letters", "--json").out)
    assert [letter["run_id"] for letter in left] == [other]


@pytest.mark.parametrize("state", ["waiting", "ingesting", "rejected"])
def test_a_run_that_is_not_dead_is_one_line_with_its_state(
    launched: Any, batch: Callable[..., Any], state: str
) -> None:
    run = run_of(launched.drop("positions/book.csv"))
    if state != "waiting":
        run, _ = begin(launched)
    if state == "rejected":
        launched.ledger.reject(run, "It is empty.")
    ended = batch("redrive", run)
    assert ended.code == 1
    assert f"The run {run} is not dead-lettered" in ended.message
    assert ("no task has begun it" if state == "waiting" else state) in ended.message
    assert launched.messages(launched.queues[INGESTION]) == []


def test_a_redrive_of_all_takes_up_every_dead_run_and_events_that_never_reached_their_queue(
    launched: Any, batch: Callable[..., Any]
) -> None:
    dead, event = begin(launched)
    bury(launched, dead, event)
    undelivered = launched.drop("positions/undelivered.csv")
    boto3.client("sqs").send_message(
        QueueUrl=launched.dead_letter_queues[INGESTION], MessageBody=undelivered.to_message()
    )
    stray(launched)
    sent = json.loads(batch("redrive", "--all", "--json").out)
    assert {piece["run_id"] for piece in sent} == {dead, run_of(undelivered)}
    assert len(launched.messages(launched.queues[INGESTION])) == 2
    (left,) = json.loads(batch("dead-letters", "--json").out)
    assert (left["run_id"], left["body"]) == (None, "no JSON")
    assert json.loads(batch("redrive", "--all", "--json").out) == []


def test_an_event_of_a_dead_run_that_never_reached_its_queue_is_sent_there_too(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    late = S3Event(launched.output_bucket, f"runs/{run}/risk/complete.json", "v1")
    boto3.client("sqs").send_message(
        QueueUrl=launched.dead_letter_queues["report-generation"], MessageBody=late.to_message()
    )
    sent = json.loads(batch("redrive", run, "--json").out)
    assert [piece["stage"] for piece in sent] == [INGESTION, "report-generation"]
    assert len(launched.messages(launched.queues["report-generation"])) == 1
    assert json.loads(batch("dead-letters", "--json").out) == []


def test_an_undelivered_event_of_a_run_that_is_not_dead_is_sent_by_its_redrive(
    launched: Any, batch: Callable[..., Any]
) -> None:
    event = launched.drop("positions/undelivered.csv")
    boto3.client("sqs").send_message(
        QueueUrl=launched.dead_letter_queues[INGESTION], MessageBody=event.to_message()
    )
    (sent,) = json.loads(batch("redrive", run_of(event), "--json").out)
    assert sent["key"] == event.key
    assert batch("redrive", run_of(event)).code == 1


def test_a_failed_attempt_at_what_no_run_wrote_is_not_sent_again_and_can_be_discarded(
    launched: Any, batch: Callable[..., Any]
) -> None:
    queue = DeadLetterQueue(boto3.client("sqs"), launched.dead_letter_queues[INGESTION], INGESTION)
    foreign = S3Event(launched.output_bucket, "runs/nobodys/shards/x.parquet", "v1")
    queue.put(foreign.to_message(), "BadEventError: no shard", attempts=1, run="nobodys")
    assert json.loads(batch("redrive", "--all", "--json").out) == []
    (left,) = json.loads(batch("dead-letters", "--json").out)
    assert left["run_id"] == "nobodys"
    assert len(json.loads(batch("dead-letters", "--discard", "--json").out)) == 1
    assert json.loads(batch("dead-letters", "--json").out) == []


@pytest.mark.parametrize(("done", "left"), [(True, 0), (False, 1)])
def test_a_letter_that_came_after_the_redrive_goes_when_its_work_is_done(
    launched: Any, batch: Callable[..., Any], *, done: bool, left: int
) -> None:
    run, event = begin(launched)
    claims = Claims(boto3.client("dynamodb"), "ledger")
    claim = claims.acquire(INGESTION, event, run)
    assert isinstance(claim, Claim)
    letters = DeadLetterQueue(
        boto3.client("sqs"), launched.dead_letter_queues[INGESTION], INGESTION
    )
    letters.put(event.to_message(), "MemoryError: 2 GB", attempts=3, run=run)
    if done:
        claims.complete(claim)
    assert json.loads(batch("redrive", "--all", "--json").out) == []
    assert len(json.loads(batch("dead-letters", "--json").out)) == left
    assert launched.messages(launched.queues[INGESTION]) == []


def die_after_the_report(launched: Any) -> tuple[str, S3Event]:
    """Let a piece die that its run can do without; return the run and the piece."""
    run, _ = begin(launched)
    launched.ledger.advance(run, RunState.REPORTED)
    event = S3Event(launched.output_bucket, RunKeys(run).complete, "v1")
    claims = Claims(boto3.client("dynamodb"), "ledger")
    claim = claims.acquire(INGESTION, event, run)
    assert isinstance(claim, Claim)
    launched.ledger.note_dead(run, claim.id)
    letters = DeadLetterQueue(
        boto3.client("sqs"), launched.dead_letter_queues[INGESTION], INGESTION
    )
    letters.put(event.to_message(), "BadEventError: no shard", attempts=1, run=run)
    claims.bury(claim, "BadEventError: no shard")
    return run, event


def test_what_a_run_can_do_without_is_given_up_when_an_operator_says_so(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = die_after_the_report(launched)
    stray(launched)
    assert len(json.loads(batch("dead-letters", "--run", run, "--json").out)) == 1
    (gone,) = json.loads(batch("dead-letters", "--run", run, "--discard", "--json").out)
    assert (gone["run_id"], gone["reason"]) == (run, "BadEventError: no shard")
    (left,) = json.loads(batch("dead-letters", "--json").out)
    assert left["run_id"] is None
    assert "dead_claims" not in launched.ledger.get(run)
    claims = Claims(boto3.client("dynamodb"), "ledger")
    assert claims.find(claim_key(INGESTION, event))["state"] == "dead"
    assert batch("redrive", run).code == 1
    # A command that was interrupted is repeated.
    assert json.loads(batch("dead-letters", "--run", run, "--discard", "--json").out) == []


def test_a_death_while_a_run_gives_up_another_keeps_every_letter(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, event = die_after_the_report(launched)
    get = Ledger.get

    def then_another_dies(ledger: Ledger, run_id: str) -> dict[str, Any]:
        record = get(ledger, run_id)
        ledger.note_dead(run_id, claim_key("line-count", event))
        return record

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "get", then_another_dies)
        ended = batch("dead-letters", "--run", run, "--discard")
    assert (ended.code, ended.out) == (1, "")
    told = f"Something of the run {run} died just now; nothing was deleted. Look again."
    assert ended.message == told
    assert len(json.loads(batch("dead-letters", "--json").out)) == 1
    assert len(launched.ledger.get(run)["dead_claims"]) == 2


@pytest.mark.usefixtures("launched")
def test_where_there_is_no_dead_letter_that_is_said(batch: Callable[..., Any]) -> None:
    assert batch("dead-letters").message == "No dead letters."
    assert batch("dead-letters", "--discard").message == "No dead letter was deleted."


def test_what_a_run_needs_is_not_given_up(launched: Any, batch: Callable[..., Any]) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    ended = batch("dead-letters", "--run", run, "--discard")
    assert ended.code == 1
    assert f"`batch redrive {run} --environment dev`" in ended.message
    assert len(json.loads(batch("dead-letters", "--json").out)) == 1
    assert batch("dead-letters", "--run", "nobodys", "--discard").code == 1


def test_a_run_whose_stage_is_gone_keeps_no_other_from_being_redriven(
    launched: Any, batch: Callable[..., Any]
) -> None:
    stuck, event = begin(launched)
    bury(launched, stuck, event)
    launched.ledger.dead_letter(stuck, claim_key("gone", event), "MemoryError: 2 GB")
    dead, other = begin(launched, "positions/other.csv")
    bury(launched, dead, other)
    why = f"The catalogue has no stage 'gone' that could work {claim_key('gone', event)}."
    ended = batch("redrive", "--all")
    assert ended.code == 1
    assert ended.out.splitlines()[0] == f"{dead}: positions/other.csv to data-ingestion"
    assert ended.message == f"{stuck}: {why}"
    assert batch("redrive", stuck).message == why
    (left,) = json.loads(batch("dead-letters", "--json").out)
    assert left["run_id"] == stuck


def test_all_dead_letters_are_listed_those_of_no_run_too_and_none_is_lost(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    stray(launched, "report-generation")
    for _ in range(2):
        rows = out_rows(batch("dead-letters"))
        assert [row[:4] for row in rows] == [
            [INGESTION, run, "3", "MemoryError: 2 GB"],
            ["report-generation", "no run's", "1", "The message is no JSON"],
        ]


def test_discarding_deletes_those_of_no_run_alone_and_prints_them(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    stray(launched)
    (gone,) = json.loads(batch("dead-letters", "--discard", "--json").out)
    assert gone["body"] == "no JSON"
    (left,) = json.loads(batch("dead-letters", "--json").out)
    assert left["run_id"] == run
