"""The stage: a shard's file from the run's objects, and what ends a run."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from batchkit.errors import ObjectConflictError
from batchkit.figures import SCENARIO_HASH
from batchkit.runs import RunKeys
from batchkit.states import RunState
from risk_calculation.calculate import calculated

from tests.images.risk_calculation.conftest import FACTORS, TODAY, Position, equity, option, shard

if TYPE_CHECKING:
    from tests.images.conftest import Place

HELD = [equity("A", "ACME", "USD", 3.0), option("ACME", 50, TODAY + timedelta(days=90))]


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ROWS = [(*row, [0.01, -0.01] if row[0] == "RATE" else [1.01, 0.99]) for row in FACTORS]
COLUMNS = ["factor_type", "factor_id", "tenor", "value", "shocks"]
SCENARIOS = parquet(pl.DataFrame(ROWS, schema=COLUMNS, orient="row"))


def manifest(positions: bytes) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "as_of": TODAY.isoformat(),
        "base_currency": "USD",
        "scenarios": {"sha256": sha256(SCENARIOS), "count": 2},
        "shards": [{"name": "00000", "rows": 1, "sha256": sha256(positions)}],
    }


def test_the_same_shard_makes_the_same_bytes() -> None:
    positions = parquet(shard(HELD))
    first, second = (
        calculated(manifest(positions), "00000", positions, SCENARIOS) for _ in range(2)
    )
    assert first == second
    assert pl.read_parquet_metadata(io.BytesIO(first))[SCENARIO_HASH] == sha256(SCENARIOS)
    table = pl.read_parquet(io.BytesIO(first))
    assert table["book"].unique().sort().to_list() == ["A", "B"]


@pytest.mark.parametrize("other", ["positions", "scenarios"])
def test_objects_that_are_not_the_manifests_are_refused(other: str) -> None:
    positions = parquet(shard(HELD))
    given = {"positions": positions, "scenarios": SCENARIOS}
    given[other] += b" "
    with pytest.raises(ObjectConflictError, match="is not the one that its manifest names"):
        calculated(manifest(positions), "00000", given["positions"], given["scenarios"])


def worked(place: Place, held: list[Position]) -> dict[str, Any]:
    """Let the stage work a run of one shard, and return the run's record."""
    event = place.upload("positions/p.csv", b"")
    run = place.run_id(event)
    keys, positions = RunKeys(run), parquet(shard(held))
    place.ledger.begin(run, event)
    place.ledger.advance(run, RunState.CALCULATING, shards=1)
    s3 = place.session.client("s3")
    for key, body in (
        (keys.manifest, json.dumps({**manifest(positions), "run_id": run}).encode()),
        (keys.scenarios, SCENARIOS),
        (keys.shard("00000"), positions),
    ):
        s3.put_object(Bucket=place.output_bucket, Key=key, Body=body)
    place.work("risk-calculation", place.written(keys.shard("00000")))
    return place.ledger.get(run)


def test_the_last_shard_starts_the_report(place: Place) -> None:
    record = worked(place, HELD)
    assert record["state"] == "reporting"
    keys = RunKeys(record["id"].removeprefix("run#"))
    assert place.read_frame(keys.risk("00000"))["book"].unique().sort().to_list() == ["A", "B"]
    assert place.read_json(keys.complete)["shards"] == ["00000"]


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (equity("B", "ACME", "USD", 1e308), "of book B is too large .* Are the quantities right"),
        (equity("B", "GONE", "USD", 1.0), "EQ factor GONE, which .* Add it to the market data"),
    ],
)
def test_what_cannot_be_calculated_ends_the_run_with_a_reason(
    place: Place, held: Position, reason: str
) -> None:
    record = worked(place, [held])
    assert record["state"] == "rejected"
    assert pl.Series([record["reason"]]).str.contains(reason).item()
