from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from batchkit.events import S3Event
from batchkit.ledger import RunState
from batchkit.runs import RunKeys, run_id

from fargate_batch.cli import following

if TYPE_CHECKING:
    from collections.abc import Callable

RUN = "positions-0123456789abcdef"
CLAIM = "claim#data-ingestion#positions/positions.csv@v1"
SUMMARY = {
    "base_currency": "EUR",
    "rows_in": 5000,
    "rows_refused": 12,
    "risk": [{"level": 0.99, "var": 1234567.8, "es": 2345678.9}],
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.02)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    path = tmp_path / "Positions.csv"
    path.write_text("instrument,quantity\nA,1\n")
    return path


def begin(launched: Any, run: str = RUN, key: str = "positions/positions.csv") -> None:
    launched.ledger.begin(run, S3Event(launched.input_bucket, key, "v1", "00"))


def finish(launched: Any, run: str = RUN) -> None:
    """What a reported run leaves behind."""
    launched.put(RunKeys(run).report("summary.json"), json.dumps(SUMMARY))
    launched.put(RunKeys(run).report("report.html"), "<html>")
    launched.ledger.start_stage(run, "data-ingestion")
    launched.ledger.finish_stage(run, "data-ingestion")
    launched.ledger.advance(run, RunState.REPORTED)


def run_of(event: S3Event) -> str:
    return run_id(event.bucket, event.key, event.version_id)


def test_submit_uploads_and_names_the_run_after_the_version(
    launched: Any, batch: Callable[..., Any], positions: Path
) -> None:
    ended = batch("submit", positions, "--json")
    assert ended.code == 0
    head = boto3.client("s3").head_object(
        Bucket=launched.input_bucket, Key="positions/Positions.csv"
    )
    bucket, key, version = launched.input_bucket, "positions/Positions.csv", head["VersionId"]
    assert json.loads(ended.out) == {
        "run_id": run_id(bucket, key, version),
        "bucket": bucket,
        "key": key,
        "version_id": version,
    }


def test_submitting_again_is_another_run(
    launched: Any, batch: Callable[..., Any], positions: Path
) -> None:
    first, second = (json.loads(batch("submit", positions, "--json").out) for _ in range(2))
    assert first != second
    assert launched.keys() == ["positions/Positions.csv"]


def test_submit_uploads_market_data_as_well(
    launched: Any, batch: Callable[..., Any], positions: Path, tmp_path: Path
) -> None:
    market = tmp_path / "2026-06-30.csv.gz"
    market.write_bytes(b"x")
    ended = batch("submit", positions, "--market-data", market)
    assert ended.code == 0
    assert "market-data/2026-06-30.csv.gz" in ended.out
    assert launched.keys() == ["market-data/2026-06-30.csv.gz", "positions/Positions.csv"]


@pytest.mark.parametrize("name", ["prices.csv", "2026-6-30.csv", "2026-06-30.txt", "absent.csv"])
def test_wrong_market_data_uploads_nothing(
    launched: Any, batch: Callable[..., Any], positions: Path, tmp_path: Path, name: str
) -> None:
    market = tmp_path / name
    if name != "absent.csv":
        market.write_bytes(b"x")
    ended = batch("submit", positions, "--market-data", market)
    assert ended.code == 1
    assert str(market) in ended.message
    assert launched.keys() == []


@pytest.mark.parametrize("name", ["positions.xlsx", "positions", "absent.csv"])
def test_wrong_positions_upload_nothing_not_even_market_data(
    launched: Any, batch: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    market, positions = tmp_path / "2026-06-30.csv", tmp_path / name
    market.write_bytes(b"x")
    if name != "absent.csv":
        positions.write_bytes(b"x")
    ended = batch("submit", positions, "--market-data", market)
    assert ended.code == 1
    assert str(positions) in ended.message
    assert launched.keys() == []


def test_submit_names_the_command_that_waits_for_the_report(
    launched: Any, batch: Callable[..., Any], positions: Path
) -> None:
    ended = batch("submit", positions)
    head = boto3.client("s3").head_object(
        Bucket=launched.input_bucket, Key="positions/Positions.csv"
    )
    run = run_id(launched.input_bucket, "positions/Positions.csv", head["VersionId"])
    assert ended.out.splitlines() == [
        f"{positions} is now run {run}",
        f"`batch follow {run} --environment dev` waits for its report.",
    ]


def test_submit_follow_shows_the_summary(
    launched: Any, batch: Callable[..., Any], positions: Path
) -> None:
    def work() -> None:
        deadline = time.monotonic() + 10
        while not launched.keys() and time.monotonic() < deadline:
            time.sleep(0.05)
        head = boto3.client("s3").head_object(
            Bucket=launched.input_bucket, Key="positions/Positions.csv"
        )
        run = run_id(launched.input_bucket, "positions/Positions.csv", head["VersionId"])
        begin(launched, run)
        finish(launched, run)

    worker = Timer(0, work)
    worker.start()
    ended = batch("submit", positions, "--follow", "--json", "--timeout", 20)
    worker.join()
    assert ended.code == 0
    assert json.loads(ended.out) == {**SUMMARY, "report": None}
    assert ": reported" in ended.err


def test_follow_shows_a_reported_run(launched: Any, batch: Callable[..., Any]) -> None:
    begin(launched)
    finish(launched)
    ended = batch("follow", RUN)
    assert ended.code == 0
    for part in ("99.0%", "1,234,568", "2,345,679", "EUR", "5,000, refused 12", "data-ingestion"):
        assert part in ended.out


def test_a_report_in_a_pipe_is_lines_without_a_box(
    launched: Any, batch: Callable[..., Any]
) -> None:
    begin(launched)
    finish(launched)
    figures, rows, timing = batch("report", RUN).out.splitlines()
    assert figures == "historical\t99.0%\t1,234,568\t2,345,679\tEUR"
    assert rows == "rows in 5,000, refused 12"
    assert timing.startswith("data-ingestion: ")


def test_a_report_on_a_terminal_is_a_table(
    launched: Any, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    begin(launched)
    finish(launched)
    lines = batch("report", RUN).out.splitlines()
    assert any("VaR, one day" in line for line in lines)
    assert any(line.startswith("│ historical") for line in lines)


def test_progress_is_one_line_for_each_change_however_narrow_the_terminal(
    launched: Any, batch: Callable[..., Any]
) -> None:
    long = "p" * 60 + "-0123456789abcdef"
    begin(launched, long)
    launched.ledger.advance(
        long, RunState.CALCULATING, rows_in=1000000, rows_refused=20000, shards=12
    )
    ended = batch("follow", long, "--timeout", 1)
    lines = ended.err.strip().splitlines()
    assert lines[0] == f"{long}: calculating, 1000000 rows, 20000 refused, shards 0/12"
    assert len(lines) == 2


def test_follow_of_a_rejected_run_exits_with_3(launched: Any, batch: Callable[..., Any]) -> None:
    begin(launched)
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
        begin(launched, run)
    started = time.monotonic()
    ended = batch("follow", run, "--timeout", 1)
    assert time.monotonic() - started < 6
    assert ended.code == 4
    assert f"`batch why {run} --environment dev`" in ended.err
    assert ("ingesting" if known else "waiting for its first task") in ended.err


def test_follow_of_a_dead_lettered_run_exits_with_5_and_names_the_way_on(
    launched: Any, batch: Callable[..., Any]
) -> None:
    begin(launched)
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


@pytest.mark.parametrize("command", ["follow", "report", "why", "logs", "redrive"])
def test_a_run_of_another_environment_is_one_line_at_once(
    launched: Any, batch: Callable[..., Any], project: Path, command: str
) -> None:
    assert launched
    (project / "config" / "prod").mkdir()
    (project / "config" / "prod" / "config.yaml").write_text("region: eu-west-1\n")
    ended = batch(command, "nothing-of-the-kind")
    assert ended.code == 1
    assert ended.message == (
        "There is no run 'nothing-of-the-kind' in dev: neither the ledger nor the input bucket "
        "knows it. Is it another environment's (prod)? `batch runs --environment dev` lists its "
        "runs."
    )


def test_report_downloads_every_file(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    begin(launched)
    finish(launched)
    ended = batch("report", RUN, "--download", tmp_path / "new" / "reports", "--json")
    assert ended.code == 0
    page = Path(json.loads(ended.out)["report"])
    assert page == tmp_path / "new" / "reports" / RUN / "report.html"
    assert page.read_text() == "<html>"
    assert json.loads((page.parent / "summary.json").read_text()) == SUMMARY


def test_report_of_a_rejected_run_downloads_the_refused_rows(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    begin(launched)
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
    begin(launched)
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
    begin(launched)
    ended = batch("report", RUN)
    assert ended.code == 1
    assert ended.message == (
        f"Run {RUN} is ingesting; `batch follow {RUN} --environment dev` waits for its report."
    )


def test_report_whose_files_have_expired_is_one_line(
    launched: Any, batch: Callable[..., Any]
) -> None:
    begin(launched)
    launched.ledger.advance(RUN, RunState.REPORTED)
    ended = batch("report", RUN)
    assert ended.code == 1
    assert "NoSuchKey" in ended.message


@pytest.mark.parametrize(
    "command",
    [
        ("follow",),
        ("submit",),
        ("report", RUN, "--timeout", "1"),
        ("redrive",),
        ("redrive", RUN, "--all"),
        ("runs", "--since", "yesterday"),
        ("runs", "--state", "lost"),
    ],
)
def test_wrong_use_exits_with_2(batch: Callable[..., Any], command: tuple[str, ...]) -> None:
    assert batch(*command).code == 2


def test_unreadable_positions_are_one_line(
    launched: Any, batch: Callable[..., Any], positions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launched

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(positions))

    # The module's own name for the built-in function.
    monkeypatch.setattr("s3transfer.utils.open", refuse, raising=False)
    ended = batch("submit", positions)
    assert (ended.code, ended.message) == (1, f"{positions}: Permission denied")
