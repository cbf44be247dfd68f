from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
from batchkit.claims import Claim, Claims
from batchkit.events import S3Event
from batchkit.runs import RunKeys
from batchkit.states import RunState

from tests.fargate_batch.cli.runs import (
    INGESTION,
    LINE,
    begin,
    bury,
    failure,
    raise_chained,
    run_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = "/aws/events/fargate-batch/task-failures/dev"
HEADING = "Last errors in its logs, those before a redrive too, the latest last:"


def test_why_a_run_was_rejected_has_its_reason_its_stage_and_what_mends_it(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, _ = begin(launched)
    launched.ledger.reject(run, "No column quantity.", INGESTION)
    assert batch("why", run).out.splitlines() == [
        f"Run {run} is rejected.",
        "Reason in data-ingestion: No column quantity.",
        "Next: `batch submit FILE --environment dev`",
    ]


def test_why_a_run_was_rejected_says_nothing_of_pieces_that_died_before(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    launched.ledger.reject(run, "No column quantity.", "report-generation")
    told = json.loads(batch("why", run, "--json").out)
    assert (told["state"], told["stage"]) == ("rejected", "report-generation")
    assert (told["attempts"], told["pieces"]) == (None, [])
    assert told["command"] == "batch submit FILE --environment dev"


def test_why_a_run_died_has_attempts_failed_tasks_and_the_last_errors_of_its_logs(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    now = int(time.time() * 1000)
    lines = [
        json.dumps({"level": level, "run_id": run, "stage": INGESTION, "message": text})
        for level, text in (("info", "Working"), ("error", "Failed: MemoryError"))
    ]
    launched.log(INGESTION, (now, lines[0]), (now + 1, lines[1]), (now + 2, f"{run} plain"))
    launched.write(FAILURES, (now, json.dumps(stopped(event))))
    other = launched.drop("positions/other.csv")
    launched.write(FAILURES, (now, json.dumps(stopped(other))))
    told = json.loads(batch("why", run, "--json").out)
    assert (told["state"], told["stage"], told["attempts"]) == ("dead-lettered", INGESTION, 3)
    assert told["reason"] == "MemoryError: 2 GB"
    (piece,) = told["pieces"]
    assert (piece["key"], piece["state"]) == (event.key, "dead")
    assert [line["message"] for line in told["errors"]] == ["Failed: MemoryError"]
    (task,) = told["failed_tasks"]
    assert (task["task"], task["stage"], task["exit_code"]) == ("t1", INGESTION, 137)
    assert task["reason"] == "Essential container in task exited; OutOfMemoryError"
    assert told["command"] == f"batch redrive {run} --environment dev"
    text = batch("why", run).out
    assert "data-ingestion t1: exit code 137 (EssentialContainerExited)" in text
    assert f"Next: mend the cause, then `batch redrive {run} --environment dev`" in text


def test_why_shows_where_each_error_was_raised(launched: Any, batch: Callable[..., Any]) -> None:
    run, event = begin(launched)
    bury(launched, run, event)
    failed, dead = failure(run), json.dumps({**LINE, "run_id": run, "message": "Dead-lettered"})
    now = int(time.time() * 1000)
    launched.log(INGESTION, (now, failed), (now + 1, dead))
    lines = batch("why", run).out.splitlines()
    code = raise_chained.__code__
    assert lines[lines.index(HEADING) + 1 : -1] == [
        f"  {json.loads(failed)['time']} data-ingestion: Failed: KeyError: 'a'",
        f"    at {code.co_filename}:{code.co_firstlineno + 4} in raise_chained",
        f"  {LINE['time']} data-ingestion: Dead-lettered",
    ]


def test_why_a_run_is_open_has_the_pieces_that_are_not_done(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    claims = Claims(boto3.client("dynamodb"), "ledger")
    ingested = claims.acquire(INGESTION, event, run)
    assert isinstance(ingested, Claim)
    claims.complete(ingested)
    launched.ledger.advance(run, RunState.CALCULATING, shards=2)
    for shard in ("00000", "00001"):
        launched.put(RunKeys(run).shard(shard), "x")
    head = boto3.client("s3").head_object(
        Bucket=launched.output_bucket, Key=RunKeys(run).shard("00000")
    )
    first = S3Event(launched.output_bucket, RunKeys(run).shard("00000"), head["VersionId"])
    claims.acquire("risk-calculation", first, run)
    told = json.loads(batch("why", run, "--json").out)
    assert [(piece["key"], piece["state"], piece["attempts"]) for piece in told["pieces"]] == [
        (RunKeys(run).shard("00000"), "claimed", 1),
        (RunKeys(run).shard("00001"), "not begun", 0),
    ]
    assert told["command"] == f"batch follow {run} --environment dev"


def test_work_that_died_after_the_report_is_told_and_redriven(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, event = begin(launched)
    launched.ledger.advance(run, RunState.REPORTED)
    claims = Claims(boto3.client("dynamodb"), "ledger")
    claim = claims.acquire(INGESTION, event, run)
    assert isinstance(claim, Claim)
    assert launched.ledger.note_dead(run, claim.id)
    claims.bury(claim, "ValueError: boom")
    told = json.loads(batch("why", run, "--json").out)
    assert (told["state"], told["reason"]) == ("reported", "ValueError: boom")
    assert told["command"] == f"batch redrive {run} --environment dev"
    assert [piece["run_id"] for piece in json.loads(batch("redrive", run, "--json").out)] == [run]
    assert launched.ledger.get(run)["state"] == "reported"


def test_a_file_that_no_task_has_begun_is_sent_to_reconcile(
    launched: Any, batch: Callable[..., Any]
) -> None:
    event = launched.drop("positions/lost.csv")
    failed = stopped(event, stopCode="TaskFailedToStart", containers=[])
    launched.write(FAILURES, (int(time.time() * 1000), json.dumps(failed)))
    text = batch("why", run_of(event)).out
    assert "data-ingestion: positions/lost.csv is not begun, attempts 0" in text
    assert "did not start (TaskFailedToStart)" in text
    assert "Next: `batch reconcile --environment dev`" in text


def stopped(event: S3Event, **changes: Any) -> dict[str, Any]:
    """ECS's event of a failed task that was run for an object."""
    handed = {
        "EVENT_BUCKET": event.bucket,
        "EVENT_KEY": event.key,
        "EVENT_VERSION_ID": event.version_id,
    }
    detail = {
        "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/fargate-batch-dev/t1",
        "group": "family:fargate-batch-data-ingestion-dev",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "stoppedAt": "2026-06-30T18:00:00Z",
        "containers": [{"name": INGESTION, "exitCode": 137, "reason": "OutOfMemoryError"}],
        "overrides": {
            "containerOverrides": [
                {
                    "name": INGESTION,
                    "environment": [
                        {"name": name, "value": value} for name, value in handed.items()
                    ],
                }
            ]
        },
    }
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": {**detail, **changes},
    }
