from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import results, workload
from benchmarks.ingestion import Sample, Taken
from benchmarks.results import Figure

if TYPE_CHECKING:
    from pathlib import Path


def test_memory_is_shown_as_chart_and_table(tmp_path: Path) -> None:
    part = workload.memory_part(
        [(Sample(0.25, tmp_path / "p.csv", tmp_path), Taken(2.5, 2.4, 300)),
         (Sample(1, tmp_path / "p.parquet", tmp_path, "Parquet"), Taken(10, 9.9, 320))]
    )  # fmt: skip
    assert "### Memory against input size" in part
    assert "0.25 GB CSV |█" in part
    assert "| 1 GB Parquet | 11,020,498 | 320 MB | 10.0 s | 100 MB/s |" in part


@pytest.mark.parametrize("wrong", [["--sizes", "0,1"], ["--rounds", "0"]])
def test_sizes_and_rounds_must_be_above_zero(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        workload.main(wrong)
    assert stopped.value.code == 2


@pytest.mark.parametrize(("measured", "code"), [(2.0, 0), (0.5, 1)])
def test_a_missed_limit_fails_the_command_and_all_is_written(
    measured: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def risk(bench: workload.Bench) -> tuple[float, float, float]:
        bench.keep([Figure("speed", "a peer", measured, 1.0, unit="x", at_least=True)])
        return 1e8, 1e6, 1e7

    one_core = [(Sample(1, tmp_path, tmp_path), Taken(10, 10, 300))]
    monkeypatch.setattr(workload, "RATES", tmp_path / "rates.json")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "benchmarks.md")
    monkeypatch.setattr(workload.Bench, "risk", risk)
    monkeypatch.setattr(workload.Bench, "images", lambda _: None)
    monkeypatch.setattr(workload.Bench, "ingestion", lambda _: one_core)
    assert workload.main(["--sizes", "1"]) == code
    rates = json.loads((tmp_path / "rates.json").read_text())
    assert rates["ingested_rows"] == pytest.approx(1_102_050, rel=1e-4)
    assert rates["option_valuations"] == 1e8
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| speed | a peer |" in text
    assert "### Memory against input size" in text
