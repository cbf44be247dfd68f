"""Works the closing object of a run's calculation: fan-in, measures, and the report's files."""

from __future__ import annotations

import json
import logging
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import BadEnvironmentError, BadEventError, ObjectGoneError, Rejected
from batchkit.ledger import FINAL_STATES, RunState
from batchkit.runs import RunKeys
from batchkit.storage import to_json

from report_generation import fan_in, page, workbook
from report_generation.measures import added
from report_generation.summary import summarize

if TYPE_CHECKING:
    from batchkit.events import S3Event
    from batchkit.stage import Context

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LEVELS: Final = "0.95,0.975,0.99"
_log: Final = logging.getLogger(__name__)


def handle(event: S3Event, context: Context) -> None:
    """Write the report of a run whose shards are all done.

    Raises:
        BadEventError: the object is not a run's risk/complete.json.
        BadEnvironmentError: VAR_LEVELS is wrong.
        UnknownRunError: the ledger has no such run.
        ObjectConflictError: figures do not belong together.
        Rejected: an object of the run was deleted.
    """
    keys = RunKeys(context.run_id)
    if event.key != keys.complete:
        raise BadEventError(f"{event.key} is not the key of a run's risk/complete.json.")
    levels = var_levels(context.task.options.get("VAR_LEVELS") or _LEVELS)
    if context.ledger.get(context.run_id)["state"] in FINAL_STATES:
        _log.info("The run has its end already.")
        return
    context.ledger.start_stage(context.run_id, context.task.stage)
    storage = context.storage
    try:
        manifest = json.loads(storage.read_output(keys.manifest))
        files = fan_in.shard_figures(storage, manifest)
        figures = fan_in.summed(files, manifest["scenarios"]["sha256"])
    except ObjectGoneError as error:
        raise Rejected(
            f"An object of this run was deleted before it was used: {error} Upload the positions "
            "again."
        ) from error
    losses = fan_in.losses_by_book(figures, manifest["scenarios"]["count"])
    summary = summarize(manifest, losses, fan_in.present_values(figures), levels)
    sensitivities = fan_in.sensitivities(figures)
    floats = {book: [float(loss) for loss in own] for book, own in losses.items()}
    dates = manifest["scenarios"]["dates"]
    storage.put(keys.report("sensitivities.csv"), sensitivities.write_csv().encode(), "text/csv")
    storage.put(
        keys.report("report.xlsx"), workbook.render(summary, floats, dates, sensitivities), _XLSX
    )
    summary["timings"] = _timings(context)
    pnl = [-float(loss) for loss in added(losses)]
    html = page.render(summary, pnl, sensitivities)
    storage.put(keys.report("summary.json"), to_json(summary), "application/json")
    storage.put(keys.report("report.html"), html, "text/html; charset=utf-8")
    context.ledger.advance(context.run_id, RunState.REPORTED)
    _log.info("Reported.", extra={"risk": summary["risk"]})


def var_levels(text: str) -> list[Decimal]:
    """Read VAR_LEVELS, e.g. 0.95,0.975,0.99.

    Raises:
        BadEnvironmentError: one of them is no number between 0.5 and 1.
    """
    try:
        levels = sorted({Decimal(part.strip()) for part in text.split(",")})
    except InvalidOperation:
        levels = []
    if not levels or not all(Decimal("0.5") <= level < 1 for level in levels):
        raise BadEnvironmentError(
            f"VAR_LEVELS is {text!r}; it must be levels from 0.5 to below 1, such as {_LEVELS}."
        )
    return levels


def _timings(context: Context) -> dict[str, Any]:
    """Return when each stage ran; this one's end is now, just before its last two files."""
    context.ledger.finish_stage(context.run_id, context.task.stage)
    record = context.ledger.get(context.run_id)
    return {"started_at": record["created_at"], "stages": dict(sorted(record["stages"].items()))}
