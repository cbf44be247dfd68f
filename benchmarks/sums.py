"""Figures of one shard against those of many, and how fast shards are netted and added."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Final

import polars as pl

from benchmarks import revaluation
from benchmarks.results import Figure

# `revaluation` has put the stages' code on the path.
from batchkit.figures import KEY_COLUMNS, SCENARIO_HASH, VALUE_COLUMN, Measure  # isort: skip
from report_generation.fan_in import added  # isort: skip
from risk_calculation.shard import figures, positions_of  # isort: skip

if TYPE_CHECKING:
    from report_generation.fan_in import Figures
    from risk_calculation.market import Market

SHARDS: Final = 7
_HASH: Final = "of this benchmark"
_VALUED: Final = (Measure.PRESENT_VALUE, Measure.EQ_DELTA, Measure.FX_DELTA)
"""What a position's legs are worth, be their sum however small."""


def one_and_many(shard: pl.DataFrame, given: Market) -> list[Figure]:
    """Compare the sums of one shard, of the same rows in several, and of these made again."""
    parts = list(shard.iter_slices(-(-shard.height // SHARDS)))
    files = [_file(part, given) for part in parts]
    whole, many = _added([_file(shard, given)], shard, given), _added(files, shard, given)
    again = _added([_file(part, given) for part in parts], shard, given)
    same = again.losses == many.losses and again.sums.equals(many.sums, null_equal=True)
    details = f"{shard.height:,} positions in {len(parts)} shards, {given.scenarios:,} scenarios"
    return [
        Figure(
            "figures of many shards, relative to gross amounts",
            "those of one shard",
            _difference(whole, many, _gross(shard, given)),
            1e-12,
            unit="",
            details=details,
        ),
        Figure(
            "figures of many shards, bits that differ",
            "themselves, made again",
            0 if same else 1,
            0,
            unit="",
            details=details,
        ),
    ]


def netted_rows(shard: pl.DataFrame, given: Market) -> float:
    """Return how many linear positions a thread reads and nets in a second."""
    linear = shard.filter(pl.col("product_type") != "EQOPT")
    buffer = io.BytesIO()
    linear.write_parquet(buffer, compression="zstd")
    start = time.process_time()
    figures(positions_of(buffer.getvalue()), given, 1)
    return linear.height / (time.process_time() - start)


def added_values(shard: pl.DataFrame, given: Market) -> float:
    """Return how many P&L values a thread reads and adds in a second."""
    content = _file(shard, given)
    files = [content] * 2 * SHARDS
    start = time.process_time()
    sums = _added(files, shard, given)
    took = time.process_time() - start
    return len(files) * len(sums.losses) * given.scenarios / took


def _file(part: pl.DataFrame, given: Market) -> bytes:
    buffer = io.BytesIO()
    figures(part, given).write_parquet(buffer, compression="zstd", metadata={SCENARIO_HASH: _HASH})
    return buffer.getvalue()


def _added(files: list[bytes], shard: pl.DataFrame, given: Market) -> Figures:
    manifest = {
        "scenarios": {"sha256": _HASH, "count": given.scenarios},
        "books": dict.fromkeys(shard["book"].unique()),
    }
    return added(files, manifest)


def _gross(shard: pl.DataFrame, given: Market) -> dict[tuple[str, str], float]:
    """Return, by measure and book, the sum of the sizes of what its positions add."""
    number = pl.int_range(pl.len()).cast(pl.String)
    alone = shard.with_columns(book=pl.col("book") + "|" + number)
    single = figures(alone, revaluation.without_scenarios(given))
    sizes = single.group_by("measure", pl.col("book").str.split("|").list.first()).agg(
        pl.col(VALUE_COLUMN).abs().sum()
    )
    gross: dict[tuple[str, str], float] = {
        (measure, name): size for measure, name, size in sizes.iter_rows()
    }
    for name in shard["book"].unique():
        value = sum(gross.get((measure, name), 0.0) for measure in _VALUED)
        # What is revalued is a difference of values, and the one for a basis point is divided.
        for measure in (Measure.PRESENT_VALUE, Measure.PNL, Measure.DV01, Measure.THETA):
            gross[measure, name] = value
        gross[Measure.GIRR_DELTA, name] = value / 1e-4
    return gross


def _difference(one: Figures, other: Figures, gross: dict[tuple[str, str], float]) -> float:
    keys = [name for name in KEY_COLUMNS if name != "scenario"]
    joined = one.sums.join(other.sums, on=keys, how="full", nulls_equal=True, suffix="_other")
    differences: list[float] = [
        abs(value - second) / gross[measure, name]
        for measure, name, value, second in joined.select(
            "measure", "book", VALUE_COLUMN, f"{VALUE_COLUMN}_other"
        ).iter_rows()
    ]
    for name, losses in one.losses.items():
        pairs = zip(losses, other.losses[name], strict=True)
        differences.append(max(abs(a - b) for a, b in pairs) / gross[Measure.PNL, name])
    return max(differences)
