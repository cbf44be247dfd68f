from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.states import RunState

from tests.fargate_batch.cli.runs import RUN, finish, record, run_of

if TYPE_CHECKING:
    from collections.abc import Callable


def test_follow_shows_a_reported_run(launched: Any, batch: Callable[..., Any]) -> None:
    record(launched)
    finish(launched)
    ended = batch("follow", RUN)
    assert ended.code == 0
    for part in ("99.0%", "1,234,568", "2,345,679", "EUR", "5,000, refused 12", "data-ingestion"):
        assert part in ended.out


def test_progress_is_one_line_for_each_change_however_narrow_the_terminal(
    launched: Any, batch: Callable[..., Any]
) -> None:
    long = "p" * 60 + "-0123456789abcdef"
    record(launched, long)
    launched.ledger.advance(
        long, RunState.CALCULATING, rows_in=1000000, rows_refused=20000, shards=12
    )
    ended = batch("follow", long, "--timeout", 1)
    lines = ended.err.strip().splitlines()
    assert lines[0] == f"{long}: calculating, 1000000 rows, 20000 refused, shards 0/12"
    assert len(lines) == 2


def test_follow_of_a_rejected_run_exits_with_3(launched: Any, batch: Callable[..., Any]) -> None:
    record(launched)
    launched.ledger.reject(RUN, "The file is empty.")
    ended = batch("follow", RUN)
    assert ended.code == 3
    assert f"Run {RUN} was rejected: The file is empty." in ended.err
    scripted = batch("follow", RUN, "--json")
    assert scripted.code == 3
    assert json.loads(scripted.out) == {"run_id": RUN, "rejected": "The file is empty."}


@pytest.mark.parametrize("known", [True, False])
def test_follow_without_progress_exits_with_4(
    launched: Any, batch: Callable[..., Any], *, known: bool
) -> None:
    run = run_of(launched.drop("positions/positions.csv"))
    if known:
        record(launched, run)
    started = time.monotonic()
    ended = batch("follow", run, "--timeout", 1)
    assert time.monotonic() - started < 6
    assert ended.code == 4
    assert f"`batch why {run} --environment dev`" in ended.err
    assert ("ingesting" if known else "waiting for its first task") in ended.err


def test_follow_of_a_dead_lettered_run_exits_with_5_and_names_the_way_on(
    launched: Any, batch: Callable[..., Any]
) -> None:
    record(launched)
    launched.ledger.dead_letter(
        RUN, "claim#data-ingestion#positions/positions.csv@v1", "Out of memory."
    )
    ended = batch("follow", RUN)
    assert ended.code == 5
    assert f"Run {RUN} is dead-lettered: Out of memory." in ended.err
    assert f"`batch redrive {RUN} --environment dev`" in ended.err
    scripted = batch("follow", RUN, "--json")
    assert scripted.code == 5
    assert json.loads(scripted.out) == {"run_id": RUN, "dead-lettered": "Out of memory."}
