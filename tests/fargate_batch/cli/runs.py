"""Runs in the states that the commands are about, left as stages leave them."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import boto3
from batchkit.claims import Claim, Claims, Spent, claim_key
from batchkit.dead_letters import DeadLetterQueue
from batchkit.events import S3Event
from batchkit.logs import JsonFormatter
from batchkit.runs import RunKeys, run_id
from batchkit.states import RunState

INGESTION = "data-ingestion"
LINE = {"time": "2026-06-30T18:00:00.000+00:00", "level": "error", "stage": INGESTION}
RUN = "positions-0123456789abcdef"
SUMMARY = {
    "base_currency": "EUR",
    "rows_in": 5000,
    "rows_refused": 12,
    "risk": [{"level": 0.99, "var": 1234567.8, "es": 2345678.9}],
}


def run_of(event: S3Event) -> str:
    return run_id(event.bucket, event.key, event.version_id)


def begin(launched: Any, key: str = "positions/book.csv") -> tuple[str, S3Event]:
    """Drop a file, and let a task begin its run."""
    event = launched.drop(key)
    launched.ledger.begin(run_of(event), event)
    return run_of(event), event


def bury(launched: Any, run: str, event: S3Event, stage: str = INGESTION) -> None:
    """Let a piece of work die as a worker does."""
    claims = Claims(boto3.client("dynamodb"), "ledger")
    for _ in range(3):
        claim = claims.acquire(stage, event, run)
        assert isinstance(claim, Claim)
        claims.fail(claim, "MemoryError: 2 GB")
    spent = claims.acquire(stage, event, run)
    assert isinstance(spent, Spent)
    letters = DeadLetterQueue(boto3.client("sqs"), launched.dead_letter_queues[stage], stage)
    letters.put(event.to_message(), "MemoryError: 2 GB", attempts=3, run=run)
    launched.ledger.dead_letter(run, claim_key(stage, event), "MemoryError: 2 GB")
    claims.bury(spent.claim, "MemoryError: 2 GB")


def stray(launched: Any, stage: str = INGESTION) -> None:
    """A message that is no event."""
    letters = DeadLetterQueue(boto3.client("sqs"), launched.dead_letter_queues[stage], stage)
    letters.put("no JSON", "The message is no JSON", attempts=1)


def raise_chained() -> None:
    try:
        int("the first")
    except ValueError as error:
        raise KeyError("a") from error


def failure(run: str) -> str:
    """The line that a stage writes of an error."""
    try:
        raise_chained()
    except KeyError:
        record = logging.makeLogRecord(
            {"levelname": "ERROR", "msg": "Failed: KeyError: 'a'", "exc_info": sys.exc_info()}
        )
    return json.dumps({**json.loads(JsonFormatter(INGESTION).format(record)), "run_id": run})


def out_rows(ended: Any) -> list[list[str]]:
    return [line.split("\t") for line in ended.out.splitlines()]


def record(launched: Any, run: str = RUN, key: str = "positions/positions.csv") -> None:
    launched.ledger.begin(run, S3Event(launched.input_bucket, key, "v1"))


def finish(launched: Any, run: str = RUN) -> None:
    """What a reported run leaves behind."""
    launched.put(RunKeys(run).report("summary.json"), json.dumps(SUMMARY))
    launched.put(RunKeys(run).report("report.html"), "<html>")
    launched.ledger.start_stage(run, "data-ingestion")
    launched.ledger.finish_stage(run, "data-ingestion")
    launched.ledger.advance(run, RunState.REPORTED)
