"""The audit finds what is wrong: a proof that could not fail would prove nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from batchkit.runs import RunKeys

from chaos import audit
from chaos.audit import Dropped, World
from chaos.files import File

GOOD = Dropped(File("positions/a.csv", b"x", 0), "a-1")
BAD = Dropped(File("positions/b.csv", b"", None), "b-2")
CALM = {0: {"risk": [1.0]}}
KEYS = RunKeys("a-1")
RIGHT = World(
    records={
        "a-1": {"run_id": "a-1", "state": "reported"},
        "b-2": {"run_id": "b-2", "state": "rejected"},
    },
    claims=({"id": "claim#s#a", "run_id": "a-1", "state": "done", "attempts": 2},),
    versions={
        "a-1": {
            KEYS.shard("00000"): 1,
            KEYS.risk("00000"): 1,
            KEYS.complete: 1,
            KEYS.report("summary.json"): 1,
        },
        "b-2": {RunKeys("b-2").rejected: 1},
    },
)


def judged(
    world: World, figures: dict[str, Any] | None = None, queued: dict[str, int] | None = None
) -> dict[str, list[str]]:
    found = audit.judge(world, [GOOD, BAD], CALM, lambda _: figures or CALM[0], queued or {"q": 0})
    return found.wrong


def with_versions(run: str, **changes: int) -> World:
    versions = {**RIGHT.versions, run: {**RIGHT.versions[run], **changes}}
    return replace(RIGHT, versions=versions)


def test_a_world_in_which_all_is_well_has_nothing_wrong() -> None:
    found = audit.judge(RIGHT, [GOOD, BAD], CALM, lambda _: CALM[0], {"q": 0})
    assert found.clean
    assert found.states == {"reported": 1, "rejected": 1}
    assert found.attempts == {2: 1}


@pytest.mark.parametrize("state", ["calculating", "dead-lettered", "rejected"])
def test_a_readable_file_without_a_report_is_lost(state: str) -> None:
    records = {**RIGHT.records, "a-1": {"run_id": "a-1", "state": state}}
    assert list(judged(replace(RIGHT, records=records))) == ["lost"]


def test_a_file_of_which_nobody_knows_is_lost() -> None:
    assert "no record" in judged(replace(RIGHT, records={}))["lost"][0]


@pytest.mark.parametrize("key", [KEYS.shard("00000"), KEYS.risk("00000"), KEYS.complete])
def test_what_starts_or_adds_work_and_was_written_again_is_done_twice(key: str) -> None:
    assert judged(with_versions("a-1", **{key: 2})) == {"done twice": [f"{key} has 2 versions"]}


def test_a_report_that_was_written_again_with_its_figures_is_counted_only() -> None:
    world = with_versions("a-1", **{KEYS.report("summary.json"): 2})
    found = audit.judge(world, [GOOD], CALM, lambda _: CALM[0], {})
    assert (found.clean, found.rewritten_reports) == (True, 1)


def test_other_figures_than_the_calm_runs_are_wrong() -> None:
    wrong = judged(RIGHT, figures={"risk": [1.0000001]})
    assert wrong == {"other figures than the calm run's": ["a-1"]}


def test_a_run_that_is_both_reported_and_rejected_is_wrong() -> None:
    assert judged(with_versions("a-1", **{KEYS.rejected: 1})) == {"reported and rejected": ["a-1"]}


def test_a_rejected_file_without_a_reason_is_wrong() -> None:
    versions = {**RIGHT.versions, "b-2": {}}
    assert judged(replace(RIGHT, versions=versions)) == {"rejected without its reason": ["b-2"]}


@pytest.mark.parametrize("state", ["claimed", "failed", "waiting", "dead"])
def test_a_claim_that_is_not_done_is_left_open(state: str) -> None:
    claims = ({"id": "claim#s#a", "run_id": "a-1", "state": state, "attempts": 1},)
    assert judged(replace(RIGHT, claims=claims)) == {"claim left open": [f"claim#s#a is {state}"]}


def test_a_claim_of_an_earlier_file_is_left_open_too_but_its_attempts_are_not_counted() -> None:
    earlier = {"id": "claim#s#c", "run_id": "c-3", "state": "failed", "attempts": 3}
    world = replace(RIGHT, claims=(*RIGHT.claims, earlier))
    found = audit.judge(world, [GOOD, BAD], CALM, lambda _: CALM[0], {})
    assert found.wrong == {"claim left open": ["claim#s#c is failed"]}
    assert found.attempts == {2: 1}


def test_a_message_in_a_queue_is_left() -> None:
    assert judged(RIGHT, queued={"q": 0, "dead": 1}) == {"message left in a queue": ["dead: 1"]}
