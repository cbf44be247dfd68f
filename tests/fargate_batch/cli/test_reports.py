from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchkit.runs import RunKeys
from batchkit.states import RunState

from tests.fargate_batch.cli.runs import RUN, SUMMARY, finish, record

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_a_report_in_a_pipe_is_lines_without_a_box(
    launched: Any, batch: Callable[..., Any]
) -> None:
    record(launched)
    finish(launched)
    figures, rows, timing = batch("report", RUN).out.splitlines()
    assert figures == "historical\t99.0%\t1,234,568\t2,345,679\tEUR"
    assert rows == "rows in 5,000, refused 12"
    assert timing.startswith("data-ingestion: ")


def test_a_report_on_a_terminal_is_a_table(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    record(launched)
    finish(launched)
    lines = batch("report", RUN).out.splitlines()
    assert any("VaR, one day" in line for line in lines)
    assert any(line.startswith("│ historical") for line in lines)


def test_report_downloads_every_file(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    record(launched)
    finish(launched)
    ended = batch("report", RUN, "--download", tmp_path / "new" / "reports", "--json")
    assert ended.code == 0
    page = Path(json.loads(ended.out)["report"])
    assert page == tmp_path / "new" / "reports" / RUN / "report.html"
    assert page.read_text() == "<html>"
    assert json.loads((page.parent / "summary.json").read_text()) == SUMMARY
    assert not (page.parent / "quarantine.parquet").exists()


def test_report_downloads_the_rows_that_were_refused(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    record(launched)
    finish(launched)
    launched.put(RunKeys(RUN).quarantine, "rows")
    assert batch("report", RUN, "--download", tmp_path).code == 0
    assert (tmp_path / RUN / "quarantine.parquet").read_text() == "rows"


def test_report_of_a_rejected_run_downloads_the_refused_rows(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    record(launched)
    launched.ledger.reject(RUN, "Too many rows are refused.")
    launched.put(RunKeys(RUN).rejected, '{"reason": "Too many rows are refused."}')
    launched.put(RunKeys(RUN).quarantine, "rows")
    launched.put(RunKeys(RUN).shard("00000"), "no file of the end's")
    files = [tmp_path / RUN / "rejected.json", tmp_path / RUN / "quarantine.parquet"]
    ended = batch("report", RUN, "--download", tmp_path)
    assert ended.code == 3
    assert ended.out.splitlines() == [f"Downloaded {file}" for file in files]
    assert ended.message == f"Run {RUN} was rejected: Too many rows are refused."
    assert sorted((tmp_path / RUN).iterdir()) == sorted(files)
    assert files[1].read_text() == "rows"
    scripted = batch("report", RUN, "--download", tmp_path, "--json")
    assert scripted.code == 3
    assert json.loads(scripted.out)["files"] == list(map(str, files))


def test_a_rejected_run_without_refused_rows_downloads_what_there_is(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    record(launched)
    launched.ledger.reject(RUN, "The file is empty.")
    bare = batch("report", RUN, "--download", tmp_path)
    assert (bare.code, bare.out) == (3, "")
    assert "It has left no files that could be downloaded." in bare.err
    launched.put(RunKeys(RUN).rejected, "{}")
    ended = batch("report", RUN, "--download", tmp_path)
    assert (ended.code, ended.out) == (3, f"Downloaded {tmp_path / RUN / 'rejected.json'}\n")


def test_report_of_a_run_that_goes_on_says_how_to_wait(
    launched: Any, batch: Callable[..., Any]
) -> None:
    record(launched)
    ended = batch("report", RUN)
    assert ended.code == 1
    assert ended.message == (
        f"Run {RUN} is ingesting; `batch follow {RUN} --environment dev` waits for its report."
    )


def test_report_that_has_expired_is_named_with_the_way_to_another(
    launched: Any, batch: Callable[..., Any]
) -> None:
    record(launched)
    launched.ledger.advance(RUN, RunState.REPORTED)
    ended = batch("report", RUN)
    assert ended.code == 1
    assert ended.message == (
        f"The report of run {RUN} is gone: runs/{RUN}/report/summary.json has expired "
        "(storage.output_expiry_days). Submit the positions again."
    )
