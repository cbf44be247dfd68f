from __future__ import annotations

import json
import os
import time
from threading import Timer
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from batchkit.runs import run_id
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient

from fargate_batch.cli import transfer
from tests.fargate_batch.cli.runs import SUMMARY, finish, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1 << 20
LONGEST = "p" * (1024 - len("positions/") - len(".csv")) + ".csv"
ODD_NAMES = [
    "a name with  spaces.csv",
    "one+one=two&three%20.csv",
    "Böcke und Täler, 日本語 \N{NO-BREAK SPACE}🏦.csv",
    'quoted "name" [bold] {x}.csv',
    "desk/2026-06-30/book.csv",
    "..csv",
    "+.csv",
    LONGEST,
]


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    path = tmp_path / "Positions.csv"
    path.write_text("instrument,quantity\nA,1\n")
    return path


def test_files_of_any_name_are_runs_that_every_command_finds(
    launched: Any, batch: Callable[..., Any], positions: Path
) -> None:
    submitted = {
        name: json.loads(batch("submit", positions, "--name", name, "--json").out)
        for name in ODD_NAMES
    }
    runs = {}
    for name, told in submitted.items():
        assert told["key"] == f"positions/{name}"
        runs[run_id(launched.input_bucket, told["key"], told["version_id"])] = told["key"]
        assert told["run_id"] in runs
    assert sorted(launched.keys()) == sorted(runs.values())
    listed = json.loads(batch("runs", "--json").out)
    assert {record["run_id"]: record["input_key"] for record in listed} == runs
    longest = submitted[LONGEST]
    (piece,) = json.loads(batch("why", longest["run_id"], "--json").out)["pieces"]
    assert piece["key"] == longest["key"]
    sent = json.loads(batch("reconcile", "--grace", 0, "--json").out)["sent"]
    assert {one["run_id"]: one["key"] for one in sent} == runs
    messages = launched.messages(launched.queues["data-ingestion"])
    keys = [json.loads(message)["detail"]["object"]["key"] for message in messages]
    assert sorted(keys) == sorted(runs.values())


def test_the_files_own_name_may_be_as_odd(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "Böcke + Täler (1).csv"
    path.write_text("x")
    assert batch("submit", path).code == 0
    assert launched.keys() == ["positions/Böcke + Täler (1).csv"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("p" + LONGEST, "has 1025 bytes and S3 takes 1024"),
        ("é" * 600 + ".csv", "has 1214 bytes"),
        ("two\nlines.csv", r"'two\nlines.csv': the name holds a control character"),
        ("a//b.csv", "a//b.csv: the name holds an empty part"),
        ("../other/b.csv", "../other/b.csv: the name holds an empty part, . or .."),
        ("b.xlsx", "b.xlsx: the name must end in .csv, .csv.gz, .parquet."),
    ],
)
def test_a_name_that_cannot_be_a_key_is_one_line_and_uploads_nothing(
    launched: Any, batch: Callable[..., Any], positions: Path, name: str, why: str
) -> None:
    ended = batch("submit", positions, "--name", name)
    assert ended.code == 1
    assert why in ended.message
    assert launched.keys() == []


def test_a_file_name_that_is_not_utf8_is_one_line(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/b\xf6cke.csv")
    with open(path, "w") as file:  # noqa: PTH123  # as odd as it can be
        file.write("x")
    ended = batch("submit", path)
    assert ended.code == 1
    assert r"b\udcf6cke.csv: the name is not UTF-8" in ended.message
    assert launched.keys() == []


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 6 MiB for large."""
    small = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB)
    monkeypatch.setattr(transfer, "IN_PARTS", small)


@pytest.mark.usefixtures("in_small_parts")
def test_a_large_file_goes_up_in_parts_and_its_run_is_that_of_its_version(
    launched: Any, batch: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(os.urandom(11 * MIB))
    submitted = json.loads(batch("submit", path, "--json").out)
    answer = boto3.client("s3").get_object(Bucket=launched.input_bucket, Key="positions/large.csv")
    assert answer["Body"].read() == path.read_bytes()
    assert answer["ETag"].strip('"').endswith("-3")
    assert submitted["version_id"] == answer["VersionId"]


@pytest.mark.usefixtures("in_small_parts")
def test_an_upload_that_fails_in_the_middle_leaves_nothing_behind(
    launched: Any,
    batch: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(bytes(11 * MIB))
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def breaks(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == "UploadPart" and parameters["PartNumber"] == 2:
            raise OSError("the line is cut")
        return real(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", breaks)
    ended = batch("submit", path)
    assert (ended.code, ended.message) == (1, "the line is cut")
    assert launched.keys() == []
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=launched.input_bucket)
    assert "Uploads" not in uploads


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
        record(launched, run)
        finish(launched, run)

    worker = Timer(0, work)
    worker.start()
    ended = batch("submit", positions, "--follow", "--json", "--timeout", 20)
    worker.join()
    assert ended.code == 0
    assert json.loads(ended.out) == {**SUMMARY, "report": None}
    assert ": reported" in ended.err


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
