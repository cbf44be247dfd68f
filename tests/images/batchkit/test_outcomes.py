"""What a run comes to, whatever the order and the number of its events, and over bad lines."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from batchkit import environment
from batchkit.errors import Rejected
from batchkit.runs import RunKeys, shard_of_key
from batchkit.stage import Context, context
from batchkit.states import FINAL_STATES, RunState
from batchkit.task import perform
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk_calculation import calculate

from tests.images.batchkit.unreliable import unreliable

if TYPE_CHECKING:
    from batchkit.events import S3Event

    from tests.images.conftest import Place

INGESTION, RISK, REPORT = "data-ingestion", "risk-calculation", "report-generation"
SHARDS = 3


def handle(event: S3Event, context: Context) -> None:
    """Do the stages' bookkeeping, and what it is kept for with a few bytes."""
    keys, ledger, storage = RunKeys(context.run_id), context.ledger, context.storage
    names = [f"{index:05d}" for index in range(SHARDS)]
    if context.task.stage == INGESTION:
        ledger.begin(context.run_id, event)
        if storage.read(event.bucket, event.key, event.version_id) == b"bad":
            raise Rejected("The file is bad.")
        ledger.advance(context.run_id, RunState.CALCULATING, shards=SHARDS)
        for name in names:
            storage.put_once(keys.shard(name), name.encode(), "text/plain")
        return
    if ledger.get(context.run_id)["state"] in FINAL_STATES:
        return
    if context.task.stage == RISK:
        shard = shard_of_key(event.key)
        assert shard is not None
        content = storage.read(event.bucket, event.key, event.version_id)
        storage.put_once(keys.risk(shard), content, "text/plain")
        manifest = {"scenarios": {"sha256": "x"}, "shards": [{"name": name} for name in names]}
        calculate._count(shard, manifest, context)
    else:
        report = b"".join(storage.read_output(keys.risk(name)) for name in names)
        storage.put_once(keys.report("report.html"), report, "text/html")
        ledger.advance(context.run_id, RunState.REPORTED)


def outcome(place: Place, event: S3Event) -> tuple[str, list[str]]:
    """The run's end, and every version of its report."""
    run = place.run_id(event)
    versions = place.session.client("s3").list_object_versions(
        Bucket=place.output_bucket, Prefix=RunKeys(run).prefix
    )
    keys = [version["Key"] for version in versions.get("Versions", [])]
    assert len(keys) == len(set(keys)), "something was written twice"
    return place.ledger.get(run)["state"], [key for key in keys if "/report/" in key]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_neither_order_nor_number_of_events_changes_the_outcome(place: Place, data: Any) -> None:
    event = place.upload(f"positions/{uuid.uuid4().hex}.csv", b"good")
    keys = RunKeys(place.run_id(event))
    stages = {stage: place.context(stage) for stage in (INGESTION, RISK, REPORT)}
    heard: list[tuple[str, S3Event]] = [(INGESTION, event)] * data.draw(st.integers(1, 3))
    told: set[str] = set()
    while heard:
        stage, one = heard.pop(data.draw(st.integers(0, len(heard) - 1)))
        perform(one, stages[stage], handle)
        for key in place.output_keys(keys.prefix):
            listens = RISK if shard_of_key(key) else REPORT if key == keys.complete else None
            if listens and key not in told:
                told.add(key)
                heard += [(listens, place.written(key))] * data.draw(st.integers(1, 3))
    assert outcome(place, event) == ("reported", [keys.report("report.html")])
    assert place.read(keys.report("report.html")) == b"000000000100002"


@pytest.mark.parametrize("seed", range(3))
def test_a_third_of_all_calls_going_wrong_changes_no_outcome(
    place: Place, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # Botocore's waits between two tries, which are all that is left out.
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    with unreliable(place.aws.endpoint, share=1 / 3, seed=seed) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        stages = {
            stage: context(environment.read(place.variables(stage)), place.aws.session)
            for stage in (INGESTION, RISK, REPORT)
        }
        good, bad = (
            place.upload("positions/a.csv", b"good"),
            place.upload("positions/b.csv", b"bad"),
        )
        for event in (good, bad):
            perform(event, stages[INGESTION], handle)
        keys = RunKeys(place.run_id(good))
        for key in place.output_keys(f"{keys.prefix}shards/"):
            perform(place.written(key), stages[RISK], handle)
        perform(place.written(keys.complete), stages[REPORT], handle)
    assert outcome(place, good) == ("reported", [keys.report("report.html")])
    assert outcome(place, bad) == ("rejected", [])
