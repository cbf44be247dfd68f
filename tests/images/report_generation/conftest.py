"""A small run's manifest and losses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from report_generation.summary import summarize

SCENARIOS = 300
LEVELS = [Decimal("0.95"), Decimal("0.975"), Decimal("0.99")]
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "run_id": "r1",
        "input": {"bucket": "input", "key": "positions/a&b.csv", "version_id": None},
        "market_data": {"key": "market-data/2026-01-30.csv", "version_id": "v1"},
        "as_of": "2026-01-30",
        "base_currency": "USD",
        "rows_in": 1000,
        "rows_refused": 12,
        "refused_by_rule": {"duplicate-id": 5, "as-of": 7},
        "factors_without_history": {},
        "scenarios": {
            "kind": "historical",
            "count": SCENARIOS,
            "dates": [f"day {number}" for number in range(SCENARIOS)],
            "sha256": "ab" * 32,
        },
        "shards": [{"name": "00000", "rows": 988, "sha256": "cd" * 32}],
    }


@pytest.fixture
def losses() -> dict[str, list[Decimal]]:
    wave = [Decimal((number * 7919) % 2003 - 1001) for number in range(SCENARIOS)]
    return {
        "=1+1": [1000 * value for value in wave],
        "Hedge": [-200 * value for value in wave],
        NASTY: [Decimal(0)] * SCENARIOS,
    }


@pytest.fixture
def sensitivities() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sensitivity": ["EQ_DELTA", "EQ_DELTA", "FX_DELTA"],
            "book": ["=1+1", "Hedge", "=1+1"],
            "factor_id": ["ACME", "ACME", "EURUSD"],
            "amount": [1234567.8, -34567.0, 0.5],
        }
    )


@pytest.fixture
def summary(manifest: dict[str, Any], losses: dict[str, list[Decimal]]) -> dict[str, Any]:
    present = {book: Decimal(number) * 1000 for number, book in enumerate(losses)}
    made = summarize(manifest, losses, present, LEVELS)
    made["timings"] = {
        "started_at": "2026-01-30T20:00:00.000+00:00",
        "stages": {
            "data-ingestion": {
                "started_at": "2026-01-30T20:00:01.000+00:00",
                "finished_at": "2026-01-30T20:00:03.000+00:00",
                "seconds": 2.0,
            },
            "risk-calculation": {
                "started_at": "2026-01-30T20:00:04.000+00:00",
                "finished_at": "2026-01-30T20:00:09.000+00:00",
                "seconds": 5.0,
            },
        },
    }
    return made
