"""Works one positions file: reads it, checks it, makes the scenario set, and publishes it all."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from batchkit.environment import number
from batchkit.errors import ObjectGoneError, Rejected
from batchkit.ledger import FINAL_STATES, RunState
from batchkit.runs import RunKeys
from batchkit.storage import to_json

from data_ingestion import market_data, scenarios
from data_ingestion.columns import typed
from data_ingestion.source import first_line, frames
from data_ingestion.spool import Spool
from data_ingestion.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from batchkit.events import S3Event
    from batchkit.stage import Context

    from data_ingestion.market_data import MarketData
    from data_ingestion.scenarios import ScenarioSet

PARQUET: Final = "application/vnd.apache.parquet"
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """This stage's own environment variables."""

    max_refused_share: float
    """MAX_REFUSED_SHARE: a run with a larger share of refused rows is rejected; 0.1."""
    shard_rows: int
    """SHARD_ROWS: rows in a shard; 1,000,000."""
    base_currency: str
    """BASE_CURRENCY: what everything is valued in; USD."""


def options(context: Context) -> Options:
    """Read this stage's options.

    Raises:
        BadEnvironmentError: one of them is out of range.
    """
    given = context.task.options
    return Options(
        max_refused_share=number(given, "MAX_REFUSED_SHARE", default=0.1, low=0, high=1),
        shard_rows=int(number(given, "SHARD_ROWS", default=1e6, low=1, high=1e6)),
        base_currency=given.get("BASE_CURRENCY") or "USD",
    )


def handle(event: S3Event, context: Context) -> None:
    """Turn a positions file into the shards of a run.

    Raises:
        Rejected: the file, or the market data of its date, cannot be used.
    """
    if event.key.endswith("/"):
        _log.info("%s is a folder's placeholder, not a file.", event.key)
        return
    chosen = options(context)
    record = context.ledger.begin(context.run_id, event)
    if record["state"] in FINAL_STATES:
        _log.info("The run is %s already.", record["state"])
        return
    context.ledger.start_stage(context.run_id, context.task.stage)
    try:
        _ingest(event, context, chosen)
    except ObjectGoneError as error:
        raise Rejected(
            f"{event.key} was deleted, or its version was, before it was read. Upload it again."
        ) from error
    except pl.exceptions.PolarsError as error:
        # Only a Parquet file can hold types that fit no column; text can be read as anything.
        if not event.key.endswith(".parquet"):
            raise
        raise Rejected(f"The file's columns have unexpected types: {first_line(error)}") from error


def _ingest(event: S3Event, context: Context, chosen: Options) -> None:
    batches = frames(event, context)
    first = next((batch for batch in batches if batch.height), None)
    if first is None:
        raise Rejected("The file has a header and no positions.")
    as_of = date_of(first)
    market = market_data.load(context, as_of)
    scenario_set = scenarios.historical(market, chosen.base_currency)
    validator = Validator(as_of, scenario_set)
    with tempfile.TemporaryDirectory(prefix="ingestion-") as folder:
        spool = Spool(Path(folder), chosen.shard_rows)
        for batch in _chain(first, batches):
            spool.add(*validator.split(batch))
        quarantine = spool.finish()
        rows = spool.rows_good + spool.rows_refused
        _log.info(
            "Read %d rows, refused %d.",
            rows,
            spool.rows_refused,
            extra={"refused_by_rule": validator.counts},
        )
        keys = RunKeys(context.run_id)
        context.storage.put_file_once(keys.quarantine, quarantine, PARQUET)
        if spool.rows_refused > chosen.max_refused_share * rows or not spool.shards:
            raise Rejected(_too_many(spool.rows_refused, rows, validator, keys))
        scenario_bytes = scenario_set.to_parquet()
        manifest = _manifest(event, context.run_id, market, scenario_set, validator, spool)
        manifest["scenarios"]["sha256"] = scenarios.sha256(scenario_bytes)
        _publish(context, spool, scenario_bytes, manifest)


def _publish(
    context: Context, spool: Spool, scenario_bytes: bytes, manifest: dict[str, Any]
) -> None:
    """Publish the run. The shards come last, for each of them starts a calculation."""
    keys = RunKeys(context.run_id)
    storage, ledger = context.storage, context.ledger
    storage.put_once(keys.scenarios, scenario_bytes, PARQUET)
    storage.put_once(keys.manifest, to_json(manifest), "application/json")
    # The timing too must be there before the report can ask for it.
    ledger.finish_stage(context.run_id, context.task.stage)
    ledger.advance(
        context.run_id,
        RunState.CALCULATING,
        shards=len(spool.shards),
        rows_in=manifest["rows_in"],
        rows_refused=manifest["rows_refused"],
        as_of=manifest["as_of"],
    )
    for shard in spool.shards:
        storage.put_file_once(keys.shard(shard.name), shard.path, PARQUET)
    _log.info("Published %d shards.", len(spool.shards))


def _manifest(  # noqa: PLR0913, PLR0917 - everything that a manifest tells of
    event: S3Event,
    run_id: str,
    market: MarketData,
    scenario_set: ScenarioSet,
    validator: Validator,
    spool: Spool,
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "input": {"bucket": event.bucket, "key": event.key, "version_id": event.version_id},
        "market_data": {"key": market.key, "version_id": market.version_id},
        "as_of": validator.as_of.isoformat(),
        "base_currency": scenario_set.base_currency,
        "rows_in": spool.rows_good + spool.rows_refused,
        "rows_refused": spool.rows_refused,
        "refused_by_rule": dict(sorted(validator.counts.items())),
        "factors_without_history": scenario_set.incomplete,
        "scenarios": {
            "kind": "historical",
            "count": len(scenario_set.dates),
            "dates": scenario_set.dates,
        },
        "shards": [
            {"name": shard.name, "rows": shard.rows, "sha256": shard.sha256}
            for shard in spool.shards
        ],
    }


def date_of(frame: pl.DataFrame) -> date:
    """Return the as_of that most rows of a file's first frame have.

    Raises:
        Rejected: none of them has one.
    """
    dates = typed(frame)["as_of"].drop_nulls()
    if dates.is_empty():
        raise Rejected("No row has an as_of that is a date such as 2026-01-30.")
    common: date = dates.mode().sort()[0]
    return common


def _too_many(refused: int, rows: int, validator: Validator, keys: RunKeys) -> str:
    common = sorted(validator.counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = ", ".join(f"{rule} ({count})" for rule, count in common)
    gaps = validator.scenarios.incomplete
    listed = ", ".join(f"{name} ({missing} dates)" for name, missing in list(gaps.items())[:5])
    return (
        f"{refused} of {rows} rows were refused, which is more than is allowed. The most frequent "
        f"reasons: {reasons}. {keys.quarantine} has every refused row with its reasons."
        + (f" Factors whose history has gaps: {listed}." if gaps else "")
    )


def _chain(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    yield from rest
