"""The sample through all three stages: right against an independent calculation, and repeatable."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from batchkit.errors import BadEventError, ObjectConflictError, UnknownRunError
from batchkit.events import S3Event
from batchkit.runs import RunKeys

from tests.images.independent import values_by_book

if TYPE_CHECKING:
    from tests.images.conftest import Place
    from tests.images.independent import Vector

SAMPLES = Path(__file__).parents[2] / "samples"
POSITIONS = SAMPLES / "positions.csv.gz"
AS_OF = date(2026, 1, 30)
MARKET = SAMPLES / "market-data" / f"{AS_OF}.csv"
REPORT_FILES = {"report.html", "report.xlsx", "summary.json", "sensitivities.csv"}


def uploaded(place: Place, content: bytes | None = None) -> S3Event:
    place.upload(f"market-data/{MARKET.name}", MARKET.read_bytes())
    return place.upload("positions/positions.csv.gz", content or POSITIONS.read_bytes())


def test_the_report_is_right(place: Place) -> None:
    place.options["SHARD_ROWS"] = "1500"
    run = place.work_all(uploaded(place))
    keys = RunKeys(run)
    record = place.ledger.get(run)
    assert record["state"] == "reported"
    assert set(record["stages"]) == {"data-ingestion", "risk-calculation", "report-generation"}
    summary = place.read_json(keys.report("summary.json"))
    quarantine = place.read_frame(keys.quarantine)
    assert summary["rows_in"] == 4000
    assert 0 < summary["rows_refused"] == quarantine.height < 80
    assert summary["shards"] == 3
    assert summary["timings"]["stages"] == record["stages"]

    values = values_by_book(POSITIONS, MARKET, set(quarantine["line"]), AS_OF)
    assert [row["book"] for row in summary["books"]] == sorted(values)
    for row in summary["books"]:
        assert row["present_value"] == pytest.approx(values[row["book"]][0], rel=1e-9)
    books = {book: moved[1:] - moved[0] for book, moved in values.items()}
    total = np.sum(list(books.values()), axis=0)
    for at, risk in enumerate(summary["risk"]):
        assert_tail(risk, total)
        for row in summary["books"]:
            assert_tail(row["risk"][at], books[row["book"]])
        parts = [row["risk"][at]["component_es"] for row in summary["books"]]
        assert sum(parts) == pytest.approx(risk["es"], abs=1e-4)
    assert summary["worst_scenarios"][0]["pnl"] == pytest.approx(total.min(), rel=1e-9)


def assert_tail(found: dict[str, float], pnl: Vector) -> None:
    """VaR and ES are those of the definition: 520 scenarios, equally likely."""
    size = round(520 * (1 - found["level"]), 9)
    worst, whole = np.sort(-pnl)[::-1], int(size)
    es = (worst[:whole].sum() + (size - whole) * worst[whole]) / size
    assert found["var"] == pytest.approx(worst[math.ceil(size) - 1], rel=1e-9)
    assert found["es"] == pytest.approx(es, rel=1e-9)


def numbers(value: Any, path: str = "") -> dict[str, float]:
    """Every number in a summary by where it stands, but for those of one run alone."""
    if isinstance(value, dict):
        own = ("run_id", "input", "shards", "timings", "market_data", "sha256")
        inner = [(f"{path}/{name}", each) for name, each in value.items() if name not in own]
    elif isinstance(value, list):
        inner = [(f"{path}/{index}", each) for index, each in enumerate(value)]
    else:
        return {path: value} if isinstance(value, int | float) else {}
    return {at: number for where, each in inner for at, number in numbers(each, where).items()}


def test_one_shard_or_many_the_figures_are_the_same(place: Place) -> None:
    summaries = []
    for rows in ("4000", "777", "777"):
        place.options["SHARD_ROWS"] = rows
        run = place.work_all(uploaded(place))
        summaries.append(numbers(place.read_json(RunKeys(run).report("summary.json"))))
    one, many, again = summaries
    assert many == again
    # To the six places that the summary gives, of amounts around 10^8.
    assert many == pytest.approx(one, rel=1e-12, abs=2e-6)


def test_many_tasks_at_once_and_every_event_twice_make_one_report(place: Place) -> None:
    place.options["SHARD_ROWS"] = "500"
    event = uploaded(place)
    keys = RunKeys(place.run_id(event))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: place.work("data-ingestion", event), range(3)))
        shards = [place.written(key) for key in place.output_keys(f"{keys.prefix}shards/")]
        assert len(shards) == 8
        place.context("risk-calculation")
        list(pool.map(lambda one: place.work("risk-calculation", one), shards * 2))
    versions = place.session.client("s3").list_object_versions(
        Bucket=place.output_bucket, Prefix=keys.prefix
    )["Versions"]
    assert len({version["Key"] for version in versions}) == len(versions)
    assert [version["Key"] for version in versions].count(keys.complete) == 1
    closing = place.written(keys.complete)
    for _ in range(2):
        place.work("report-generation", closing)
    files = place.output_keys(keys.report_prefix)
    assert {key.rsplit("/", 1)[-1] for key in files} == REPORT_FILES
    assert place.ledger.get(keys.run_id)["state"] == "reported"


def test_a_shard_or_scenario_set_that_is_not_the_manifests_is_refused(place: Place) -> None:
    event = uploaded(place)
    keys = RunKeys(place.run_id(event))
    place.work("data-ingestion", event)
    shard = place.written(keys.shard("00000"))
    content = place.read(keys.shard("00000"))
    s3 = place.session.client("s3")
    s3.put_object(Bucket=place.output_bucket, Key=shard.key, Body=content + b"x")
    with pytest.raises(ObjectConflictError, match=r"shard 00000 .* is not the one"):
        place.work("risk-calculation", place.written(shard.key))
    # The event's own version is still the right one.
    place.work("risk-calculation", shard)
    assert place.ledger.get(keys.run_id)["state"] == "reporting"


@pytest.mark.parametrize("lost", ["manifest", "scenarios"])
def test_a_run_whose_objects_are_deleted_ends_with_a_reason(place: Place, lost: str) -> None:
    event = uploaded(place)
    keys = RunKeys(place.run_id(event))
    place.work("data-ingestion", event)
    key = getattr(keys, lost)
    place.session.client("s3").delete_object(Bucket=place.output_bucket, Key=key)
    place.work("risk-calculation", place.written(keys.shard("00000")))
    record = place.ledger.get(keys.run_id)
    assert record["state"] == "rejected"
    assert "was deleted before it was used" in record["reason"]
    assert place.read_json(keys.rejected)["stage"] == "risk-calculation"


def test_an_object_that_is_none_of_a_stages_is_refused(place: Place) -> None:
    for stage in ("risk-calculation", "report-generation"):
        with pytest.raises(BadEventError, match="is not the key of"):
            place.work(stage, S3Event(place.output_bucket, "runs/r1/other.json"))
    with pytest.raises(UnknownRunError, match="no run 'r1'"):
        place.work("risk-calculation", S3Event(place.output_bucket, "runs/r1/shards/0.parquet"))
