"""The sample through all three stages: right against an independent calculation, and repeatable."""

from __future__ import annotations

import csv
import gzip
import io
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

if TYPE_CHECKING:
    from tests.images.conftest import Place

SAMPLES = Path(__file__).parents[2] / "samples"
POSITIONS = SAMPLES / "positions.csv.gz"
MARKET = SAMPLES / "market-data" / "2026-01-30.csv"
REPORT_FILES = {"report.html", "report.xlsx", "summary.json", "sensitivities.csv"}


def uploaded(place: Place, content: bytes | None = None) -> S3Event:
    place.upload(f"market-data/{MARKET.name}", MARKET.read_bytes())
    return place.upload("positions/positions.csv.gz", content or POSITIONS.read_bytes())


def independent_pnl(refused_lines: set[int]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Each book's P&L, position by position, from the files alone and in plain numpy."""
    history: dict[tuple[str, str], list[float]] = {}
    for row in csv.DictReader(io.StringIO(MARKET.read_text())):
        history.setdefault((row["factor_id"], row["tenor"]), []).append(float(row["value"]))
    curves = {
        currency: [
            (years, history[f"{currency}-OIS", tenor][-1])
            for tenor, years in (("1M", 1 / 12), ("6M", 0.5), ("1Y", 1.0), ("2Y", 2.0))
        ]
        for currency in ("USD", "EUR", "GBP", "JPY", "CHF")
    }

    def moved(name: str) -> tuple[float, np.ndarray[Any, Any]]:
        values = np.array(history[name, ""])
        return values[-1], values[-1] * np.exp(np.diff(np.log(values)))

    def rate(currency: str) -> tuple[float, np.ndarray[Any, Any] | float]:
        return (1.0, 1.0) if currency == "USD" else moved(currency + "USD")

    def discount(currency: str, maturity: str) -> float:
        years = (date.fromisoformat(maturity) - date(2026, 1, 30)).days / 365
        times, rates = zip(*curves[currency], strict=True)
        return math.exp(-years * float(np.interp(years, times, rates)))

    books: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    lines = gzip.decompress(POSITIONS.read_bytes()).decode().splitlines()
    for number, row in enumerate(csv.DictReader(lines), start=2):
        if number in refused_lines:
            continue
        quantity, currency = float(row["quantity"]), row["currency"]
        fx, fx_moved = rate(currency)
        if row["product_type"] == "EQUITY":
            price, price_moved = moved(row["risk_factor"])
            pnl = quantity * (price_moved * fx_moved - price * fx)
        else:
            other, other_moved = rate(row["currency2"])
            due = quantity * discount(currency, row["maturity"])
            paid = quantity * float(row["strike"]) * discount(row["currency2"], row["maturity"])
            pnl = due * (fx_moved - fx) - paid * (other_moved - other)
        books[row["book"]] = books.get(row["book"], 0.0) + pnl
    return books


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
    assert summary["rows_refused"] == quarantine.height == 37
    assert summary["shards"] == 3
    assert summary["timings"]["stages"] == record["stages"]

    books = independent_pnl(set(quarantine["line"]))
    total = np.sum(list(books.values()), axis=0)
    assert [row["book"] for row in summary["books"]] == sorted(books)
    for place_, risk in enumerate(summary["risk"]):
        size = 520 * (1 - risk["level"])
        assert risk["rank"] == math.ceil(round(size, 9))
        for pnl, found in [
            (total, risk),
            *((books[row["book"]], row["risk"][place_]) for row in summary["books"]),
        ]:
            worst = np.sort(-pnl)[::-1]
            whole = int(round(size, 9))
            es = (worst[:whole].sum() + (size - whole) * worst[whole]) / size
            assert found["var"] == pytest.approx(worst[risk["rank"] - 1], rel=1e-9)
            assert found["es"] == pytest.approx(es, rel=1e-9)
        parts = [row["risk"][place_]["component_es"] for row in summary["books"]]
        assert sum(parts) == pytest.approx(risk["es"], abs=1e-4)
    assert summary["worst_scenarios"][0]["pnl"] == pytest.approx(total.min(), rel=1e-9)


def figures(place: Place, run: str) -> dict[str, Any]:
    """Everything in the summary that a repetition must repeat, and the other files' bytes."""
    keys = RunKeys(run)
    summary = place.read_json(keys.report("summary.json"))
    own = ("run_id", "input", "shards", "timings", "market_data")
    return {
        **{name: value for name, value in summary.items() if name not in own},
        "csv": place.read(keys.report("sensitivities.csv")),
    }


def test_one_shard_or_many_the_figures_are_the_same_to_the_last_digit(place: Place) -> None:
    event = uploaded(place)
    reports = []
    for rows in ("4000", "777"):
        place.options["SHARD_ROWS"] = rows
        event = uploaded(place)
        reports.append(figures(place, place.work_all(event)))
    assert reports[0] == reports[1]


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
