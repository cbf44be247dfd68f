"""A real run in the launched environment, through the command that an analyst uses."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fargate_batch.names import Output

if TYPE_CHECKING:
    from fargate_batch.environment import Environment

PROJECT = Path(__file__).parents[2]
POSITIONS = PROJECT / "samples" / "positions.csv.gz"
MARKET_DATA = PROJECT / "samples" / "market-data" / "2026-01-30.csv"
REJECTED = 3


def batch(launched: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("batch")), *arguments]
    return subprocess.run(
        [*command, "--environment", launched.name],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def reported(launched: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a report was downloaded into."""
    folder = tmp_path_factory.mktemp("reports")
    done = batch(
        launched, "submit", str(POSITIONS), "--market-data", str(MARKET_DATA),
        "--follow", "--download", str(folder),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = folder.iterdir()
    return report


def test_report_has_all_its_files_and_the_refused_rows(reported: Path) -> None:
    assert {path.name for path in reported.iterdir()} == {
        "report.html",
        "report.xlsx",
        "summary.json",
        "sensitivities.csv",
        "quarantine.parquet",
    }


def test_summary_counts_every_row(reported: Path) -> None:
    summary = json.loads((reported / "summary.json").read_text())
    assert summary["rows_in"] == len(gzip.decompress(POSITIONS.read_bytes()).splitlines()) - 1
    refused = pl.read_parquet(reported / "quarantine.parquet")
    assert summary["rows_refused"] == refused.height > 0


def test_every_stage_says_what_it_did(launched: Environment, reported: Path) -> None:
    printed = batch(launched, "logs", reported.name, "--json").stdout.splitlines()
    stages = {json.loads(line)["stage"] for line in printed}
    assert stages == {stage.name for stage in launched.settings.stages}


def test_an_unreadable_file_is_rejected_with_its_reason(
    launched: Environment, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(POSITIONS.read_bytes()[:2000])
    done = batch(launched, "submit", str(broken), "--follow", "--json")
    assert done.returncode == REJECTED
    answer = json.loads(done.stdout)
    assert "gzip" in answer["rejected"]
    body = launched.client("s3").get_object(
        Bucket=launched[Output.OUTPUT_BUCKET_NAME], Key=f"runs/{answer['run_id']}/rejected.json"
    )["Body"]
    assert json.loads(body.read())["reason"] == answer["rejected"]
