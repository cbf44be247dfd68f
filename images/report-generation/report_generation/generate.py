"""Works the closing object of a run's calculation: fan-in, measures, and the report's files."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import BadEventError
from batchkit.runs import RunKeys
from batchkit.states import FINAL_STATES, RunState
from batchkit.storage import to_json

from report_generation import fan_in, options, page, workbook
from report_generation.summary import summarize

if TYPE_CHECKING:
    from batchkit.events import S3Event
    from batchkit.stage import Context

    from report_generation.fan_in import Figures

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_log: Final = logging.getLogger(__name__)


def handle(event: S3Event, context: Context) -> None:
    """Write the report of a run whose shards are all done.

    Raises:
        BadEventError: the object is not a run's risk/complete.json.
        BadEnvironmentError: an option is wrong.
        UnknownRunError: the ledger has no such run.
        ObjectConflictError: figures do not belong together.
        ObjectGoneError: an object of the run was deleted.
        Rejected: a sum is beyond what can be counted.
    """
    keys = RunKeys(context.run_id)
    if event.key != keys.complete:
        raise BadEventError(f"{event.key} is not the key of a run's risk/complete.json.")
    chosen = options.read(context.task.options)
    if context.ledger.get(context.run_id)["state"] in FINAL_STATES:
        _log.info("The run has its end already.")
        return
    context.ledger.start_stage(context.run_id, context.task.stage)
    storage = context.storage
    manifest = json.loads(storage.read_output(keys.manifest))
    figures = fan_in.added(fan_in.shard_figures(storage, manifest), manifest)
    results = summarize(manifest, figures, chosen)
    storage.put(
        keys.report("sensitivities.csv"), results.sensitivities.write_csv().encode(), "text/csv"
    )
    storage.put(keys.report("report.xlsx"), workbook.render(results), _XLSX)
    results.summary["timings"] = _timings(context, manifest, figures)
    storage.put(keys.report("summary.json"), to_json(results.summary), "application/json")
    storage.put(keys.report("report.html"), page.render(results), "text/html; charset=utf-8")
    context.ledger.advance(context.run_id, RunState.REPORTED)
    _log.info("Reported.", extra={"risk": results.summary["risk"]})


def _timings(context: Context, manifest: dict[str, Any], figures: Figures) -> dict[str, Any]:
    """Return when each stage ran; this one's end is now, just before its last two files."""
    context.ledger.finish_stage(context.run_id, context.task.stage)
    record = context.ledger.get(context.run_id)
    return {
        "started_at": record["created_at"],
        "stages": dict(sorted(record["stages"].items())),
        "rows": {
            "data-ingestion": manifest["rows_in"],
            "risk-calculation": manifest["rows_in"] - manifest["rows_refused"],
            context.task.stage: figures.rows,
        },
    }
