"""Works one positions file: reads it, checks it, makes the scenario set, and publishes it all."""

from __future__ import annotations

import itertools
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchkit.domain import CURRENCY_CODE
from batchkit.environment import number, whole_number
from batchkit.errors import BadEnvironmentError, Rejected
from batchkit.runs import RunKeys
from batchkit.states import FINAL_STATES, RunState
from batchkit.storage import PARQUET, to_json
from batchkit.uploads import Uploads

from data_ingestion import market_data, scenarios
from data_ingestion.columns import as_text, typed
from data_ingestion.conversion import convert
from data_ingestion.source import batches
from data_ingestion.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import polars as pl
    from batchkit.events import S3Event
    from batchkit.stage import Context

    from data_ingestion.conversion import Converted
    from data_ingestion.market_data import MarketData
    from data_ingestion.monte_carlo import MonteCarlo

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
    simulation: MonteCarlo
    """MC_SCENARIOS and others, see `scenarios.options`."""


def options(context: Context) -> Options:
    """Read this stage's options.

    Raises:
        BadEnvironmentError: one of them is out of range.
    """
    given = context.task.options
    return Options(
        max_refused_share=number(given, "MAX_REFUSED_SHARE", default=0.1, low=0, high=1),
        shard_rows=whole_number(given, "SHARD_ROWS", default=1_000_000, low=1, high=1_000_000),
        base_currency=_base_currency(given),
        simulation=scenarios.options(given),
    )


def _base_currency(given: Mapping[str, str]) -> str:
    currency = given.get("BASE_CURRENCY") or "USD"
    if not CURRENCY_CODE.fullmatch(currency):
        raise BadEnvironmentError(
            f"BASE_CURRENCY is {currency!r}; it must be an ISO 4217 code such as EUR."
        )
    return currency


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
    _ingest(event, context, chosen)


def _ingest(event: S3Event, context: Context, chosen: Options) -> None:
    rows = batches(event, context)
    first = next((batch for batch in rows if batch.frame.height), None)
    if first is None:
        raise Rejected("The file has a header and no positions.")
    market = market_data.load(context, date_of(first.frame))
    scenario_set, scenario_bytes = scenarios.load_or_make(
        context, market, chosen.base_currency, chosen.simulation
    )
    validator = Validator(date_of(first.frame), scenario_set)
    keys = RunKeys(context.run_id)
    with (
        Uploads(context.storage, PARQUET) as uploads,
        tempfile.TemporaryDirectory(prefix="ingestion-") as folder,
    ):
        uploads.abort_left(f"{keys.prefix}shards/")
        converted = convert(
            itertools.chain([first], rows),
            validator,
            lambda name, content: uploads.send(keys.shard(name), content),
            Path(folder),
            chosen.shard_rows,
        )
        _log.info(
            "Read %d rows, refused %d.",
            converted.rows,
            converted.rows_refused,
            extra={"refused_by_rule": validator.counts},
        )
        context.storage.put_file_once(keys.quarantine, converted.quarantine, PARQUET)
        if (
            converted.rows_refused > chosen.max_refused_share * converted.rows
            or not converted.shards
        ):
            raise Rejected(_too_many(converted, validator, keys, chosen.max_refused_share))
        manifest = _manifest(event, context.run_id, market, validator, converted)
        manifest["scenarios"]["sha256"] = scenarios.sha256(scenario_bytes)
        _publish(context, uploads, scenario_bytes, manifest)


def _publish(
    context: Context, uploads: Uploads, scenario_bytes: bytes, manifest: dict[str, Any]
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
        shards=len(manifest["shards"]),
        rows_in=manifest["rows_in"],
        rows_refused=manifest["rows_refused"],
        as_of=manifest["as_of"],
    )
    uploads.complete()
    _log.info("Published %d shards.", len(manifest["shards"]))


def _manifest(
    event: S3Event,
    run_id: str,
    market: MarketData,
    validator: Validator,
    converted: Converted,
) -> dict[str, Any]:
    scenario_set = validator.scenarios
    return {
        "run_id": run_id,
        "input": {"bucket": event.bucket, "key": event.key, "version_id": event.version_id},
        "market_data": {"key": market.key, "version_id": market.version_id},
        "as_of": validator.as_of.isoformat(),
        "base_currency": scenario_set.base_currency,
        "rows_in": converted.rows,
        "rows_refused": converted.rows_refused,
        "refused_by_rule": dict(sorted(validator.counts.items())),
        "rules": dict(sorted(validator.sentences.items())),
        "factors_without_history": scenario_set.incomplete,
        "scenarios": scenario_set.describe(),
        "books": {name: asdict(book) for name, book in converted.books.items()},
        "shards": [asdict(shard) for shard in converted.shards],
    }


def date_of(frame: pl.DataFrame) -> date:
    """Return the as_of that most rows of a file's first frame have.

    Raises:
        Rejected: none of them has one.
    """
    read = typed(as_text(frame.select("as_of"))).select("as_of").collect()
    dates = read.to_series().drop_nulls()
    if dates.is_empty():
        raise Rejected("No row has an as_of that is a date such as 2026-01-30.")
    common: date = dates.mode().sort()[0]
    return common


def _too_many(
    converted: Converted, validator: Validator, keys: RunKeys, allowed_share: float
) -> str:
    common = sorted(validator.counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = " ".join(
        f"{validator.sentences[rule]} [{rule} ({count}), first in line "
        f"{validator.first_lines[rule]}]"
        for rule, count in common
    )
    gaps = validator.scenarios.incomplete
    listed = ", ".join(f"{name} ({missing} dates)" for name, missing in list(gaps.items())[:5])
    return (
        f"{converted.rows_refused} of {converted.rows} rows were refused, and "
        f"{100 * allowed_share:g}% of them may be (MAX_REFUSED_SHARE). The most frequent reasons: "
        f"{reasons} {keys.quarantine} has every refused row with its reasons."
        + (f" Factors whose history has gaps: {listed}." if gaps else "")
    )
