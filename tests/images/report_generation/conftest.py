"""A small synthetic run: its manifest, its figures files and the report's results."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from report_generation import fan_in, options
from report_generation.summary import Results, summarize

NASTY: Final = "<script>alert(1)</script>"
BOOKS: Final = ("=1+1", "Equity options", "FX forwards", NASTY, "Hedge", "Rates")
STRESS: Final = ("2008 crisis", "2020 pandemic", "Rates +100 bp", "Equity -20%")
SHA256: Final = "ab" * 32
SCHEMA: Final = {
    "book": pl.String,
    "measure": pl.String,
    "factor_id": pl.String,
    "tenor": pl.String,
    "scenario": pl.Int32,
    "value": pl.Float64,
}
Row = tuple[str, str, str | None, str | None, int | None, float]


def figures_file(rows: list[Row], made_with: str = SHA256) -> bytes:
    """Return what the risk calculation writes for a shard."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    buffer = io.BytesIO()
    ordered = frame.sort("measure", "book", "factor_id", "tenor", "scenario")
    ordered.write_parquet(buffer, metadata={"scenario_sha256": made_with})
    return buffer.getvalue()


def pnl_rows(book: str, values: list[float]) -> list[Row]:
    return [(book, "PNL", None, None, number, value) for number, value in enumerate(values)]


@dataclass(frozen=True)
class Run:
    """What the stages before leave for the report."""

    manifest: dict[str, Any]
    files: tuple[bytes, ...]

    def figures(self) -> fan_in.Figures:
        return fan_in.added(self.files, self.manifest)

    def results(self, given: dict[str, str] | None = None) -> Results:
        results = summarize(self.manifest, self.figures(), options.read(given or {}))
        results.summary["timings"] = timings()
        return results


def make_run(
    *,
    days: int = 520,
    draws: int = 2000,
    stress: tuple[str, ...] = STRESS,
    books: tuple[str, ...] = BOOKS,
) -> Run:
    """Make a run of two shards, the second of which lacks the first book."""
    random = np.random.default_rng(7)
    market = random.standard_t(5, days + draws) * 1e6
    shocks = np.concatenate([market, np.linspace(-9e6, 4e6, len(stress))])
    shards: list[list[Row]] = [[], []]
    for place, book in enumerate(books):
        beta = (1.0, 0.6, 0.3, 0.0, -0.4, 0.5)[place % 6]
        pnl = beta * shocks + 2e5 * abs(beta) * random.standard_normal(len(shocks))
        for number in (0,) if place == 0 else (0, 1):
            shards[number] += pnl_rows(book, pnl.tolist())
            shards[number] += [
                (book, "PV", None, None, None, 1e7 * (place + 1) + 0.25),
                (book, "THETA", None, None, None, -1234.5),
                (book, "EQ_DELTA", "ACME", None, None, 1234567.8 * beta),
                (book, "EQ_DELTA", "RHEIN-CHEMIE", None, None, -34567.0 * beta),
                (book, "EQ_GAMMA", "ACME", None, None, 98765.4),
                (book, "EQ_VEGA", "ACME", None, None, 4567.8),
                (book, "FX_DELTA", "EURUSD", None, None, 7.5e6),
                *(
                    (book, "GIRR_DELTA", "USD-OIS", tenor, None, -2e6 * (point + 1))
                    for point, tenor in enumerate(("6M", "1Y", "2Y", "10Y"))
                ),
                (book, "DV01", "USD-OIS", None, None, -2000.0),
            ]
    return Run(
        _manifest(days, draws, stress, books), tuple(figures_file(shard) for shard in shards)
    )


def _manifest(
    days: int, draws: int, stress: tuple[str, ...], books: tuple[str, ...]
) -> dict[str, Any]:
    last = date(2026, 1, 30)
    dates = [(last - timedelta(days=back)).isoformat() for back in range(days)][::-1]
    blocks: list[dict[str, Any]] = [
        {"kind": "historical", "start": 0, "count": days, "dates": dates}
    ]
    if draws:
        blocks.append(
            {
                "kind": "monte-carlo", "start": days, "count": draws, "seed": 1,
                "weighting": "ewma", "decay": 0.94,
            }
        )  # fmt: skip
    if stress:
        count = len(stress)
        blocks.append(
            {"kind": "stress", "start": days + draws, "count": count, "names": list(stress)}
        )
    return {
        "run_id": "r1",
        "input": {"bucket": "input", "key": "positions/a&b.csv", "version_id": None},
        "market_data": {"key": "market-data/2026-01-30.csv", "version_id": "v1"},
        "as_of": "2026-01-30",
        "base_currency": "USD",
        "rows_in": 1000,
        "rows_refused": 12,
        "refused_by_rule": {"duplicate-id": 5, "as-of": 7},
        "rules": {
            "duplicate-id": "Its position_id stands on an earlier line.",
            "as-of": "Its as_of is not 2026-01-30, the date of this file.",
        },
        "factors_without_history": {"NEW-LISTING": 40},
        "books": {book: {"rows": 988 // len(books), "quantity": 1e6} for book in books},
        "scenarios": {"sha256": SHA256, "count": days + draws + len(stress), "blocks": blocks},
        "shards": [
            {"name": f"{number:05d}", "rows": 494, "sha256": "cd" * 32} for number in range(2)
        ],
    }


def timings() -> dict[str, Any]:
    def stage(start: int, end: int) -> dict[str, Any]:
        return {
            "started_at": f"2026-01-30T20:00:{start:02d}.000+00:00",
            "finished_at": f"2026-01-30T20:00:{end:02d}.000+00:00",
            "seconds": float(end - start),
        }

    return {
        "started_at": "2026-01-30T20:00:00.000+00:00",
        "stages": {"data-ingestion": stage(1, 3), "risk-calculation": stage(4, 9)},
        "rows": {"data-ingestion": 1000, "risk-calculation": 988},
    }


@pytest.fixture(scope="session")
def run() -> Run:
    return make_run()


@pytest.fixture(scope="session")
def shared_results(run: Run) -> Results:
    return run.results()


@pytest.fixture
def results(shared_results: Results) -> Results:
    """Results whose summary a test may add to."""
    return replace(shared_results, summary={**shared_results.summary})


@pytest.fixture
def summary(results: Results) -> dict[str, Any]:
    return results.summary
