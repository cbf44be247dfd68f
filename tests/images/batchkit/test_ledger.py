from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from batchkit.errors import UnknownRunError
from batchkit.events import S3Event
from batchkit.ledger import Ledger, RunState

if TYPE_CHECKING:
    from tests.images.conftest import Place

EVENT = S3Event("input", "positions/a.csv", None)


@pytest.fixture
def ledger(place: Place) -> Ledger:
    ledger = place.ledger
    ledger.begin("r1", EVENT)
    return ledger


def test_a_run_begins_once(ledger: Ledger) -> None:
    ledger.advance("r1", RunState.CALCULATING, shards=3)
    again = ledger.begin("r1", EVENT)
    assert (again["state"], again["shards"]) == ("calculating", 3)
    assert again["input_version"] is None
    assert again["report_prefix"] == "runs/r1/report/"


def test_a_run_moves_forward_only(ledger: Ledger) -> None:
    assert ledger.advance("r1", RunState.REPORTING)
    assert not ledger.advance("r1", RunState.CALCULATING)
    assert ledger.advance("r1", RunState.REPORTING)
    assert ledger.advance("r1", RunState.REPORTED)
    assert ledger.get("r1")["state"] == "reported"


def test_a_rejected_run_keeps_its_reason_and_stays_rejected(ledger: Ledger) -> None:
    assert ledger.reject("r1", "empty")
    assert not ledger.advance("r1", RunState.CALCULATING)
    record = ledger.get("r1")
    assert (record["state"], record["reason"]) == ("rejected", "empty")


def test_a_reported_run_is_not_rejected(ledger: Ledger) -> None:
    ledger.advance("r1", RunState.REPORTED)
    assert not ledger.reject("r1", "late")
    assert "reason" not in ledger.get("r1")


def test_a_shard_counts_once(ledger: Ledger) -> None:
    ledger.advance("r1", RunState.CALCULATING, shards=2)
    assert ledger.shard_done("r1", "00000") == (1, 2)
    assert ledger.shard_done("r1", "00000") == (1, 2)
    assert ledger.shard_done("r1", "00001") == (2, 2)


def test_the_first_value_is_kept(ledger: Ledger) -> None:
    first = {"key": "market-data/x.csv", "version_id": "v1"}
    assert ledger.keep_first("r1", "market_data", first) == first
    assert ledger.keep_first("r1", "market_data", {**first, "version_id": "v2"}) == first


def test_a_stage_lasts_from_its_first_start_to_its_last_end(ledger: Ledger) -> None:
    times = iter([100.0] * 4 + [103.0] * 4 + [110.5] * 4)
    moved = replace(ledger, clock=lambda: next(times))
    moved.start_stage("r1", "s")
    moved = replace(ledger, clock=lambda: 103.0)
    moved.start_stage("r1", "s")
    moved = replace(ledger, clock=lambda: 110.5)
    assert moved.finish_stage("r1", "s") == {
        "started_at": "1970-01-01T00:01:40.000+00:00",
        "finished_at": "1970-01-01T00:01:50.500+00:00",
        "seconds": 10.5,
    }
    assert moved.get("r1")["stages"]["s"]["seconds"] == 10.5


def test_what_is_not_known_is_said(ledger: Ledger) -> None:
    for change in (
        lambda: ledger.get("r2"),
        lambda: ledger.advance("r2", RunState.REPORTED),
        lambda: ledger.reject("r2", "x"),
        lambda: ledger.shard_done("r2", "00000"),
        lambda: ledger.start_stage("r2", "s"),
    ):
        with pytest.raises(UnknownRunError, match="no run 'r2'"):
            change()


def test_all_runs_are_listed_and_nothing_else(ledger: Ledger, place: Place) -> None:
    ledger.begin("r2", EVENT)
    place.claims.acquire("data-ingestion", EVENT, "r1")
    assert {record["run_id"] for record in ledger.all()} == {"r1", "r2"}
