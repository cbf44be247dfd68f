from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from batchkit.records import Records
from batchkit.states import RunState

from tests.fargate_batch.cli.runs import (
    INGESTION,
    LINE,
    begin,
    failure,
    out_rows,
    run_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


def test_runs_list_the_latest_first_with_whole_ids_and_reasons_as_they_are(
    launched: Any, batch: Callable[..., Any]
) -> None:
    older, _ = begin(launched, "positions/older.csv")
    time.sleep(0.01)
    newer, _ = begin(launched, "positions/newer[1].csv")
    launched.ledger.reject(newer, "[bold] is unknown\nand more")
    rows = out_rows(batch("runs"))
    assert [row[0] for row in rows] == [newer, older]
    assert rows[0][1:3] == ["rejected", "positions/newer[1].csv"]
    assert rows[0][4] == "[bold] is unknown and more"


def test_a_file_that_no_task_has_begun_is_waiting(launched: Any, batch: Callable[..., Any]) -> None:
    event = launched.drop("positions/lost.csv")
    (record,) = json.loads(batch("runs", "--json").out)
    assert (record["run_id"], record["state"]) == (run_of(event), "waiting")
    assert (record["input_key"], record["input_version"]) == (event.key, event.version_id)


def test_every_version_of_a_file_is_a_run(launched: Any, batch: Callable[..., Any]) -> None:
    events = [launched.drop("positions/book.csv") for _ in range(2)]
    listed = json.loads(batch("runs", "--json").out)
    assert {record["run_id"] for record in listed} == set(map(run_of, events))


def test_runs_can_be_filtered_by_state(launched: Any, batch: Callable[..., Any]) -> None:
    begun, _ = begin(launched, "positions/begun.csv")
    waiting = run_of(launched.drop("positions/waiting.csv"))
    rejected, _ = begin(launched, "positions/rejected.csv")
    launched.ledger.reject(rejected, "It is empty.")
    assert out_rows(batch("runs", "--state", "ingesting"))[0][0] == begun
    both = out_rows(batch("runs", "--state", "waiting", "--state", "rejected"))
    assert {row[0] for row in both} == {waiting, rejected}
    assert {row[0] for row in out_rows(batch("runs", "--state", "open"))} == {waiting, begun}


def test_runs_since_look_at_no_older_file(launched: Any, batch: Callable[..., Any]) -> None:
    begin(launched)
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert batch("runs", "--since", soon).out == ""
    assert len(out_rows(batch("runs", "--since", "1h"))) == 1


def test_a_listing_reads_no_more_of_the_ledger_than_its_runs(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(launched)

    def refuse(_: Any) -> Iterator[Any]:
        raise AssertionError

    monkeypatch.setattr(Records, "all", refuse)
    assert batch("runs").code == 0


def test_all_runs_are_those_too_whose_file_is_gone(
    launched: Any, batch: Callable[..., Any]
) -> None:
    gone, event = begin(launched)
    boto3.resource("s3").ObjectVersion(event.bucket, event.key, str(event.version_id)).delete()
    waiting = run_of(launched.drop("positions/waiting.csv"))
    assert [row[0] for row in out_rows(batch("runs"))] == [waiting]
    assert {row[0] for row in out_rows(batch("runs", "--all"))} == {gone, waiting}


def test_runs_as_json_have_the_whole_record(launched: Any, batch: Callable[..., Any]) -> None:
    run, _ = begin(launched)
    launched.ledger.advance(run, RunState.CALCULATING, shards=2)
    launched.ledger.shard_done(run, "00001")
    (record,) = json.loads(batch("runs", "--json").out)
    assert (record["run_id"], record["shards_done"]) == (run, ["00001"])


def test_runs_of_an_environment_without_any_are_empty(
    launched: Any, batch: Callable[..., Any]
) -> None:
    assert launched
    assert json.loads(batch("runs", "--json").out) == []


def test_what_was_lost_is_put_back_once_and_printed(
    launched: Any, batch: Callable[..., Any]
) -> None:
    event = launched.drop("positions/lost.csv")
    ended = batch("reconcile", "--grace", 0)
    assert ended.out.splitlines() == [
        f"{run_of(event)}: positions/lost.csv to data-ingestion",
        "1 files looked at, 1 runs open, 0 of them overdue; 1 put back.",
    ]
    assert len(launched.messages(launched.queues[INGESTION])) == 1


def test_what_came_just_now_is_left_to_its_task(launched: Any, batch: Callable[..., Any]) -> None:
    launched.drop("positions/new.csv")
    told = json.loads(batch("reconcile", "--json").out)
    assert (told["inputs"], told["open_runs"], told["sent"]) == (1, 1, [])
    assert json.loads(batch("reconcile", "--all", "--json").out)["inputs"] == 1


def test_log_lines_are_those_of_the_run_in_the_order_of_time(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, _ = begin(launched)
    now = int(time.time() * 1000)
    launched.log(INGESTION, (now, f"{run} first"), (now + 20, f"{run} third"))
    launched.log("risk-calculation", (now + 10, f"{run} second"), (now + 15, "another run"))
    ended = batch("logs", run)
    assert ended.code == 0
    assert ended.out.splitlines() == [f"{run} {which}" for which in ("first", "second", "third")]


def test_log_lines_of_one_millisecond_stay_in_the_order_in_which_they_were_written(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, _ = begin(launched)
    now = int(time.time() * 1000)
    launched.log(INGESTION, *((now, f"{run} {which}") for which in ("works", "failed", "ended")))
    ended = batch("logs", run)
    assert ended.out.splitlines() == [f"{run} {which}" for which in ("works", "failed", "ended")]


def test_log_lines_are_for_people_and_raw_for_a_script(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, _ = begin(launched)
    said = json.dumps({**LINE, "run_id": run, "level": "info", "message": "a\nb", "attempt": 1})
    measured = json.dumps({**LINE, "run_id": run, "message": "Measured CostUsd.", "_aws": {}})
    failed = failure(run)
    now = int(time.time() * 1000)
    launched.log(INGESTION, (now, said), (now + 1, measured), (now + 2, failed))
    fields = json.loads(failed)
    assert batch("logs", run).out.splitlines() == [
        f"{LINE['time']} data-ingestion info a b",
        f"{fields['time']} data-ingestion error Failed: KeyError: 'a'",
        *fields["traceback"].splitlines(),
    ]
    assert batch("logs", run, "--json").out.splitlines() == [said, measured, failed]


def test_a_run_that_has_said_nothing_is_worth_a_word(
    launched: Any, batch: Callable[..., Any]
) -> None:
    run, _ = begin(launched)
    ended = batch("logs", run)
    assert ended.message == f"Run {run} is ingesting; its tasks have logged nothing yet."


def test_following_logs_prints_each_line_once_as_it_comes(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = begin(launched)
    now = int(time.time() * 1000)
    launched.log(INGESTION, (now, f"{run} first"))
    # Later lines of another group, the last of them stamped before what was printed.
    later = iter(
        [
            ("risk-calculation", (now + 50, f"{run} second")),
            ("report-generation", (now - 10, f"{run} late")),
        ]
    )

    def pause(_: float) -> None:
        written = next(later, None)
        if written is None:
            raise KeyboardInterrupt
        launched.log(*written)

    monkeypatch.setattr("fargate_batch.cli.logs.time.sleep", pause)
    ended = batch("logs", run, "--follow")
    assert ended.code == 0
    assert ended.out.splitlines() == [f"{run} {which}" for which in ("first", "second", "late")]


def test_followed_log_lines_are_for_people_too(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = begin(launched)
    now = int(time.time() * 1000)
    later = iter(
        [
            (now, json.dumps({**LINE, "run_id": run, "message": "Failed"})),
            (now + 1, json.dumps({**LINE, "run_id": run, "message": "Measured", "_aws": {}})),
        ]
    )

    def pause(_: float) -> None:
        written = next(later, None)
        if written is None:
            raise KeyboardInterrupt
        launched.log(INGESTION, written)

    monkeypatch.setattr("fargate_batch.cli.logs.time.sleep", pause)
    ended = batch("logs", run, "--follow")
    assert ended.out.splitlines() == [f"{LINE['time']} data-ingestion error Failed"]
