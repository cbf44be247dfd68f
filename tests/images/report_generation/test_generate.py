"""The stage itself, on the local AWS."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.errors import BadEventError, UnknownRunError
from batchkit.events import S3Event
from batchkit.runs import RunKeys

from tests.images.report_generation.conftest import Run, make_run

if TYPE_CHECKING:
    from tests.images.conftest import Place

STAGE = "report-generation"
KEYS = RunKeys("r1")


@pytest.fixture(scope="module")
def small() -> Run:
    return make_run(draws=200)


def calculated(place: Place, run: Run) -> S3Event:
    """Leave what the stages before leave, and return the event that they end with."""
    place.ledger.begin("r1", S3Event(place.input_bucket, "positions/a&b.csv", None))
    storage = place.context(STAGE).storage
    storage.put_json(KEYS.manifest, run.manifest)
    for number, content in enumerate(run.files):
        storage.put(KEYS.risk(f"{number:05d}"), content, "application/vnd.apache.parquet")
    storage.put_json(KEYS.complete, {"shards": len(run.files)})
    return place.written(KEYS.complete)


def test_a_run_gets_its_report(place: Place, small: Run) -> None:
    place.work(STAGE, calculated(place, small))
    record = place.ledger.get("r1")
    assert record["state"] == "reported"
    files = {key.removeprefix(KEYS.report_prefix) for key in place.output_keys(KEYS.report_prefix)}
    assert files == {"report.html", "report.xlsx", "summary.json", "sensitivities.csv"}
    summary = place.read_json(KEYS.report("summary.json"))
    expected = json.loads(json.dumps(small.results().summary))
    assert {**summary, "timings": None} == {**expected, "timings": None}
    assert summary["timings"]["stages"][STAGE]["seconds"] >= 0
    assert summary["timings"]["rows"][STAGE] == small.figures().rows


def test_sensitivities_csv_is_in_the_fields_vocabulary(place: Place, small: Run) -> None:
    place.work(STAGE, calculated(place, small))
    content = place.read(KEYS.report("sensitivities.csv"))
    assert content.startswith(b"sensitivity,book,factor_id,tenor,amount\n")
    frame = pl.read_csv(io.BytesIO(content))
    assert frame.equals(small.figures().sensitivities)
    assert set(frame["sensitivity"]) == {
        "EQ_DELTA", "EQ_GAMMA", "EQ_VEGA", "FX_DELTA", "GIRR_DELTA", "DV01", "THETA",
    }  # fmt: skip


def test_working_it_twice_makes_the_same_report(place: Place, small: Run) -> None:
    event = calculated(place, small)
    place.work(STAGE, event)
    first = {name: place.read(KEYS.report(name)) for name in ("report.xlsx", "sensitivities.csv")}
    place.work(STAGE, event)
    assert first == {name: place.read(KEYS.report(name)) for name in first}


def test_a_shards_figures_that_are_gone_reject_the_run(place: Place, small: Run) -> None:
    event = calculated(place, small)
    place.session.client("s3").delete_object(Bucket=place.output_bucket, Key=KEYS.risk("00001"))
    place.work(STAGE, event)
    record = place.ledger.get("r1")
    assert record["state"] == "rejected"
    assert "Upload the input again" in record["reason"]


def test_only_the_closing_object_is_worked(place: Place) -> None:
    with pytest.raises(BadEventError, match=r"risk/complete\.json"):
        place.work(STAGE, S3Event(place.output_bucket, KEYS.manifest, None))


def test_a_run_that_nobody_knows_is_an_error(place: Place) -> None:
    with pytest.raises(UnknownRunError):
        place.work(STAGE, S3Event(place.output_bucket, KEYS.complete, None))
