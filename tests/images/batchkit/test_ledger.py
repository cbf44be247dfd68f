from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from batchkit.errors import UnknownRunError
from batchkit.events import S3Event
from batchkit.states import RunState

if TYPE_CHECKING:
    from batchkit.ledger import Ledger

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


def test_the_first_reason_for_a_rejection_stays(ledger: Ledger) -> None:
    assert ledger.reject("r1", "empty", "data-ingestion")
    assert ledger.reject("r1", "late", "risk-calculation")
    record = ledger.get("r1")
    assert (record["reason"], record["rejected_by"]) == ("empty", "data-ingestion")


def test_a_dead_lettered_run_remembers_what_it_died_of_and_where_it_was(ledger: Ledger) -> None:
    ledger.advance("r1", RunState.CALCULATING, shards=2)
    assert ledger.dead_letter("r1", "claim#1", "no memory")
    assert ledger.dead_letter("r1", "claim#2", "another")
    record = ledger.get("r1")
    assert (record["state"], record["state_before"]) == ("dead-lettered", "calculating")
    assert (record["reason"], record["dead_claims"]) == ("no memory", {"claim#1", "claim#2"})


def test_the_rest_of_a_dead_lettered_run_goes_on_and_shows_when_it_is_redriven(
    ledger: Ledger,
) -> None:
    ledger.advance("r1", RunState.CALCULATING, shards=2)
    ledger.dead_letter("r1", "claim#1", "no memory")
    assert ledger.shard_done("r1", "00001") == (1, 2)
    assert ledger.advance("r1", RunState.REPORTING)
    assert ledger.get("r1")["state"] == "dead-lettered"
    assert not ledger.advance("r1", RunState.CALCULATING)
    assert not ledger.redriven("r1", {"claim#2"})
    assert ledger.redriven("r1", {"claim#1"})
    assert not ledger.redriven("r1", {"claim#1"})
    assert ledger.get("r1")["state"] == "reporting"


def test_a_run_that_died_anew_keeps_all_that_it_died_of(ledger: Ledger) -> None:
    ledger.dead_letter("r1", "claim#1", "no memory")
    ledger.redriven("r1", {"claim#1"})
    ledger.dead_letter("r1", "claim#1", "no memory")
    assert not ledger.put_back("r1", {"claim#1"}, 1)
    assert ledger.get("r1")["dead_claims"] == {"claim#1"}
    ledger.redriven("r1", {"claim#1"})
    ledger.put_back("r1", {"claim#1"}, 2)
    assert "dead_claims" not in ledger.get("r1")


def test_what_a_run_can_do_without_is_noted_and_its_state_stays(ledger: Ledger) -> None:
    assert ledger.note_dead("r1", "claim#1")
    record = ledger.get("r1")
    assert (record["state"], record["dead_claims"]) == ("ingesting", {"claim#1"})
    ledger.reject("r1", "empty")
    assert not ledger.note_dead("r1", "claim#2")


@pytest.mark.parametrize("dead", [False, True])
def test_what_has_its_report_is_not_rejected_and_does_not_die(
    ledger: Ledger, *, dead: bool
) -> None:
    if dead:
        ledger.dead_letter("r1", "claim#1", "no memory")
    ledger.advance("r1", RunState.REPORTED)
    assert not ledger.reject("r1", "late")
    assert ledger.dead_letter("r1", "claim#2", "late") == dead


def test_a_dead_lettered_run_may_be_rejected(ledger: Ledger) -> None:
    ledger.dead_letter("r1", "claim#1", "no memory")
    assert ledger.reject("r1", "empty")
    assert ledger.get("r1")["state"] == "rejected"
    assert not ledger.redriven("r1", {"claim#1"})


def test_each_move_is_told_once(ledger: Ledger) -> None:
    told: list[RunState] = []
    listened = replace(ledger, moved=lambda state, _values: told.append(state))
    for _ in range(2):
        listened.advance("r1", RunState.CALCULATING, rows_in=5)
        listened.dead_letter("r1", "claim#1", "no memory")
    listened.redriven("r1", {"claim#1"})
    for _ in range(2):
        listened.advance("r1", RunState.REPORTED)
    assert told == [RunState.CALCULATING, RunState.DEAD_LETTERED, RunState.REPORTED]


def test_a_late_stage_does_not_change_the_timings_that_were_reported(ledger: Ledger) -> None:
    ledger.start_stage("r1", "s")
    kept = ledger.finish_stage("r1", "s")
    ledger.advance("r1", RunState.REPORTED)
    later = replace(ledger, clock=lambda: 1e10)
    assert later.finish_stage("r1", "s") == kept
    assert ledger.get("r1")["stages"]["s"] == kept


def test_what_is_not_known_is_said(ledger: Ledger) -> None:
    for change in (
        lambda: ledger.get("r2"),
        lambda: ledger.advance("r2", RunState.REPORTED),
        lambda: ledger.reject("r2", "x"),
        lambda: ledger.shard_done("r2", "00000"),
        lambda: ledger.start_stage("r2", "s"),
        lambda: ledger.dead_letter("r2", "claim#1", "x"),
        lambda: ledger.redriven("r2", {"claim#1"}),
    ):
        with pytest.raises(UnknownRunError, match="no run 'r2'"):
            change()


def test_all_runs_are_listed_and_nothing_else(ledger: Ledger, place: Place) -> None:
    ledger.begin("r2", EVENT)
    place.claims.acquire("data-ingestion", EVENT, "r1")
    assert {record["run_id"] for record in ledger.all()} == {"r1", "r2"}
