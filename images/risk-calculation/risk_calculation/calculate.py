"""Works one shard: makes its figures and counts it; the last one closes the calculation."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from batchkit.errors import BadEventError, ObjectConflictError, Rejected
from batchkit.figures import SCENARIO_HASH
from batchkit.runs import RunKeys, shard_of_key
from batchkit.states import FINAL_STATES, RunState
from batchkit.storage import PARQUET, stream_sha256, to_json

from risk_calculation.market import UnusableMarketError, market
from risk_calculation.shard import figures, positions_of

if TYPE_CHECKING:
    from batchkit.events import S3Event
    from batchkit.stage import Context

_log: Final = logging.getLogger(__name__)


def handle(event: S3Event, context: Context) -> None:
    """Calculate a shard's figures; with the last shard, start the report.

    Raises:
        BadEventError: the object is no shard.
        UnknownRunError: the ledger has no such run.
        ObjectConflictError: an object is not the one that the manifest names.
        ObjectGoneError: an object of the run was deleted.
        Rejected: a figure is beyond what can be counted.
    """
    shard = shard_of_key(event.key)
    if shard is None:
        raise BadEventError(
            f"{event.key} is not the key of a shard: runs/<run-id>/shards/00000.parquet"
        )
    record = context.ledger.get(context.run_id)
    if record["state"] in FINAL_STATES:
        _log.info("The run is %s already.", record["state"])
        return
    context.ledger.start_stage(context.run_id, context.task.stage)
    keys = RunKeys(context.run_id)
    manifest = json.loads(context.storage.read_output(keys.manifest))
    positions = context.storage.read(event.bucket, event.key, event.version_id)
    scenario_set = context.storage.read_output(keys.scenarios)
    try:
        content = calculated(manifest, shard, positions, scenario_set)
    except OverflowError as error:
        raise Rejected(f"{error} Are the quantities right?") from error
    except UnusableMarketError as error:
        raise Rejected(str(error)) from error
    context.storage.put_once(keys.risk(shard), content, PARQUET)
    _count(shard, manifest, context)


def calculated(
    manifest: dict[str, Any], shard: str, positions: bytes, scenario_set: bytes
) -> bytes:
    """Return a shard's figures as a Parquet file, the same bytes for the same input.

    Raises:
        ObjectConflictError: shard or scenarios are not those of the manifest.
        OverflowError: a figure is too large to be a number.
        UnusableMarketError: the scenario set lacks what a position depends on.
    """
    expected = {row["name"]: row["sha256"] for row in manifest["shards"]}
    scenario_hash = manifest["scenarios"]["sha256"]
    for what, content, wanted in (
        (f"shard {shard}", positions, expected.get(shard)),
        ("scenario set", scenario_set, scenario_hash),
    ):
        if stream_sha256(io.BytesIO(content)) != wanted:
            raise ObjectConflictError(
                f"The {what} of run {manifest['run_id']} is not the one that its manifest names."
            )
    as_of = pl.Series([manifest["as_of"]]).str.to_date("%Y-%m-%d").item()
    given = market(
        pl.read_parquet(io.BytesIO(scenario_set)),
        manifest["scenarios"]["count"],
        manifest["base_currency"],
        as_of,
    )
    buffer = io.BytesIO()
    figures(positions_of(positions), given).write_parquet(
        buffer, compression="zstd", metadata={SCENARIO_HASH: scenario_hash}
    )
    return buffer.getvalue()


def _count(shard: str, manifest: dict[str, Any], context: Context) -> None:
    """Record the shard, and close the calculation when all are recorded.

    Several tasks may find all of them recorded; the closing object is written once all the same.
    """
    done, shards = context.ledger.shard_done(context.run_id, shard)
    _log.info("Shard %s is done, %d of %d.", shard, done, shards)
    if done < shards:
        return
    context.ledger.finish_stage(context.run_id, context.task.stage)
    if context.ledger.advance(context.run_id, RunState.REPORTING):
        closing = {
            "run_id": context.run_id,
            "scenario_sha256": manifest["scenarios"]["sha256"],
            "shards": [row["name"] for row in manifest["shards"]],
        }
        key = RunKeys(context.run_id).complete
        context.storage.put_once(key, to_json(closing), "application/json")
