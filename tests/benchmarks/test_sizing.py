from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import sizing
from benchmarks.sizing import Assumptions, Rates
from fargate_batch import prices, project

if TYPE_CHECKING:
    from pathlib import Path

    from fargate_batch.catalogue import Stage

RATES = Rates(
    ingested_rows=500_000, netted_rows=5_000_000, option_valuations=100e6, added_values=20e6
)


@cache
def catalogue() -> dict[str, Stage]:
    settings = project.read_settings(sizing.PROJECT, "prod")
    return {stage.name: stage for stage in settings.stages}


@pytest.fixture
def stages() -> dict[str, Stage]:
    return catalogue()


def test_the_figures_of_a_small_run_are_those_of_a_calculation_by_hand(
    stages: dict[str, Stage],
) -> None:
    # 2 M rows are two shards; 250,000 options * 1,000 scenarios are 2.5 s of a thread, 750,000
    # linear rows 0.15 s; a risk task has two threads.
    ingestion, risk, report = sizing.size(2_000_000, 1000, stages, RATES)
    assert ingestion.task_seconds == pytest.approx(45 + 4)
    assert (risk.tasks, risk.at_once) == (2, 2)
    assert risk.task_seconds == pytest.approx(45 + (2.5 + 0.15) / 2)
    # 2 shards * 50 books * 1,000 scenarios, at half a vCPU.
    assert report.task_seconds == pytest.approx(45 + 100_000 / 20e6 / 0.5)
    price = prices.task_price_per_hour(2048, 4096)
    assert risk.fargate_usd == pytest.approx(2 * risk.task_seconds / 3600 * price)
    assert risk.spot_usd == pytest.approx(risk.fargate_usd * (1 - prices.SPOT_DISCOUNT))


def test_more_shards_than_tasks_at_once_take_waves(stages: dict[str, Stage]) -> None:
    limit = stages["risk-calculation"].scaling.max_tasks
    _, one_wave, _ = sizing.size(limit * sizing.SHARD_ROWS, 100, stages, RATES)
    _, two_waves, _ = sizing.size((limit + 1) * sizing.SHARD_ROWS, 100, stages, RATES)
    assert two_waves.at_once == limit
    assert two_waves.minutes == pytest.approx(2 * one_wave.minutes, rel=1e-3)


@given(
    positions=st.integers(1, 10**9),
    scenarios=st.integers(1, 100_000),
    option_share=st.floats(0, 1),
)
def test_twice_the_scenarios_never_take_less_time_or_money(
    positions: int, scenarios: int, option_share: float
) -> None:
    assumed = Assumptions(option_share=option_share)
    once = sizing.size(positions, scenarios, catalogue(), RATES, assumed)
    twice = sizing.size(positions, 2 * scenarios, catalogue(), RATES, assumed)
    for before, after in zip(once, twice, strict=True):
        assert after.minutes >= before.minutes
        assert after.fargate_usd >= before.fargate_usd


def test_the_command_prints_a_row_a_stage_and_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizing, "read_rates", lambda: RATES)
    monkeypatch.setenv("COLUMNS", "120")
    assert sizing.main(["--positions", "100000000", "--scenarios", "11000"]) == 0
    printed = capsys.readouterr().out
    assert "100,000,000 positions in 100 shards" in printed
    for name in ("data-ingestion", "risk-calculation", "report-generation", "run"):
        assert name in printed


def test_without_rates_the_command_says_what_measures_them(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="`make bench` measures the rates"):
        sizing.read_rates(tmp_path / "rates.json")


def test_every_rate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(dataclasses.asdict(RATES)))
    assert sizing.read_rates(path) == RATES
