from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from benchmarks import ingestion
from benchmarks.convert import OWN
from benchmarks.ingestion import Sample, Taken


def taken(gigabytes: float, peak_mb: float) -> tuple[Sample, Taken]:
    return Sample(gigabytes, Path("p.csv"), Path("m.csv")), Taken(1.0, 1.0, peak_mb)


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


def test_memory_is_judged_by_the_most_and_by_its_growth_to_the_largest_input() -> None:
    most, growth = ingestion.memory([taken(0.25, 810), taken(1, 400), taken(4, 480)])
    assert (most.measured, most.verdict) == (810, "MISSED")
    assert growth.measured == pytest.approx(1.2)
    assert growth.verdict == "MISSED"
    assert growth.command == "4 GB CSV against 1 GB"


def test_one_size_shows_no_growth() -> None:
    (most,) = ingestion.memory([taken(1, 400)])
    assert most.verdict == "ok"


def test_the_chart_has_a_bar_and_a_number_for_every_size() -> None:
    small, large, end = ingestion.chart(
        [("0.25 GB CSV", 200), ("4 GB CSV", 800)], limit=800
    ).splitlines()
    assert small.count("█") * 4 == pytest.approx(large.count("█"), abs=4)
    assert small.endswith("200 MB")
    assert large.endswith("800 MB")
    assert "limit 800 MB" in end


def test_a_sample_has_the_size_that_was_asked_for_and_is_gone_afterwards(tmp_path: Path) -> None:
    with ingestion.sample(0.002, tmp_path, silent) as made:
        assert made.positions.stat().st_size == pytest.approx(2e6, rel=0.02)
        assert made.market_data.exists()
    assert list(tmp_path.iterdir()) == []


def test_ids_in_no_order_are_those_of_the_sample_from_right_to_left(tmp_path: Path) -> None:
    with ingestion.sample(0.002, tmp_path, silent) as made:
        lines = made.positions.read_text().splitlines()
        mixed = ingestion.unordered(made, tmp_path).positions.read_text().splitlines()
    assert mixed[0] == lines[0]
    assert mixed[1:] == [f"P{line[8:0:-1]}{line[9:]}" for line in lines[1:]]
    assert any(len(line.split(",")) > len(lines[0].split(",")) for line in mixed)


def test_a_disk_without_room_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3e9))
    with (
        pytest.raises(SystemExit, match=r"4 GB of input need 10.4 GB in .* has 3.0 GB"),
        ingestion.sample(4, tmp_path, silent),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_what_it_took_and_leaves_this_process_its_cores(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    with ingestion.sample(0.001, tmp_path, silent) as made:
        took = ingestion.run(OWN, made, tmp_path / "out", frozenset([min(before)]))
    assert took.seconds > 0
    assert 50 < took.peak_mb < 1000
    assert (tmp_path / "out" / "quarantine.parquet").exists()
    assert os.sched_getaffinity(0) == before


def test_lines_with_other_rules_count_as_differing(tmp_path: Path) -> None:
    for who, rules in ((OWN, [["a"], ["b", "c"], ["d"]]), ("pandas_rules", [["a"], ["c", "b"]])):
        (tmp_path / who).mkdir()
        table = pl.DataFrame({"line": range(2, 2 + len(rules)), "rules": rules})
        table.write_parquet(tmp_path / who / "quarantine.parquet")
    (figure,) = ingestion.quarantine(("pandas_rules",), tmp_path)
    assert (figure.measured, figure.verdict) == (1, "MISSED")
