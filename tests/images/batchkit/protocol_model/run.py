"""The one run that the model is about: what lies where, and who hears of it."""

from __future__ import annotations

from typing import Final

from batchkit.events import S3Event
from batchkit.place import Route
from batchkit.runs import RunKeys, run_id

INPUT, OUTPUT, TABLE = "input", "output", "model-table"
INGESTION, RISK, REPORT = "data-ingestion", "risk-calculation", "report-generation"
AFTER: Final = "line-count"
"""A stage that listens to the end of the calculation, and may fail when the report is there."""
UPLOAD: Final = S3Event(INPUT, "positions/a.csv", "v1")
RUN: Final = run_id(INPUT, UPLOAD.key, UPLOAD.version_id)
KEYS: Final = RunKeys(RUN)
EVENTS: Final = {
    "shard 0": (RISK, S3Event(OUTPUT, KEYS.shard("00000"), "v1")),
    "shard 1": (RISK, S3Event(OUTPUT, KEYS.shard("00001"), "v1")),
    "report": (REPORT, S3Event(OUTPUT, KEYS.complete, "v1")),
    "count": (AFTER, S3Event(OUTPUT, KEYS.complete, "v1")),
}
OPERATOR: Final = ("redrive", "reconcile")
ROUTES: Final = (
    Route(INGESTION, "input", "positions/*", "queue"),
    Route(RISK, "output", "runs/*/shards/*.parquet", "queue"),
    Route(REPORT, "output", "runs/*/risk/complete.json", "queue"),
)
LATE_ROUTE: Final = Route(AFTER, "output", "runs/*/risk/complete.json", "late queue")
MANIFEST: Final = {
    "scenarios": {"sha256": "x"},
    "shards": [{"name": "00000"}, {"name": "00001"}],
}
STAMP: Final = "1970-01-01T00:00:00.000+00:00"
"""All is written at this moment."""
