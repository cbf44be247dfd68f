"""Brings the figures of all shards together, after making sure that they belong together."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl
from batchkit.errors import ObjectConflictError
from batchkit.figures import KEY_COLUMNS, SCENARIO_HASH, VALUE_COLUMN, Measure
from batchkit.runs import RunKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from batchkit.storage import Storage


def shard_figures(storage: Storage, manifest: dict[str, Any]) -> Iterator[bytes]:
    """Yield the figures file of every shard of the manifest, in its order.

    Raises:
        ObjectGoneError: one of them does not exist.
    """
    keys = RunKeys(manifest["run_id"])
    for shard in manifest["shards"]:
        yield storage.read_output(keys.risk(shard["name"]))


def summed(files: Iterator[bytes], scenario_sha256: str) -> pl.DataFrame:
    """Return the sums of figures files, in the columns of `batchkit.figures`.

    The values are decimals, so neither the order nor the number of the files changes a bit of them.

    Raises:
        ObjectConflictError: a file was made with another scenario set.
    """
    total: pl.DataFrame | None = None
    for content in files:
        made_with = pl.read_parquet_metadata(io.BytesIO(content)).get(SCENARIO_HASH)
        if made_with != scenario_sha256:
            raise ObjectConflictError(
                f"A shard's figures were made with the scenario set {made_with}, and the run's is "
                f"{scenario_sha256}; they cannot be added."
            )
        part = pl.read_parquet(io.BytesIO(content))
        joined = part if total is None else pl.concat([total, part])
        total = joined.group_by(KEY_COLUMNS).agg(pl.col(VALUE_COLUMN).sum())
    if total is None:
        raise ValueError("A run has at least one shard.")
    return total.sort("measure", "book", "factor_id", "scenario")


def losses_by_book(figures: pl.DataFrame, scenarios: int) -> dict[str, list[Decimal]]:
    """Return each book's loss (above 0) or profit in every scenario.

    Raises:
        ObjectConflictError: a book has not one P&L for every scenario.
    """
    rows = figures.filter(pl.col("measure") == Measure.PNL).sort("book", "scenario")
    losses: dict[str, list[Decimal]] = {}
    # copy_negate, since the minus sign rounds to the 28 digits of the default context.
    for (book,), group in rows.group_by("book", maintain_order=True):
        if group["scenario"].to_list() != list(range(scenarios)):
            raise ObjectConflictError(
                f"Book {book} has {group.height} P&L figures for {scenarios} scenarios."
            )
        losses[str(book)] = [value.copy_negate() for value in group[VALUE_COLUMN]]
    return losses


def present_values(figures: pl.DataFrame) -> dict[str, Decimal]:
    """Return each book's value today."""
    rows = figures.filter(pl.col("measure") == Measure.PRESENT_VALUE).sort("book")
    return dict(rows.select("book", VALUE_COLUMN).iter_rows())


def sensitivities(figures: pl.DataFrame) -> pl.DataFrame:
    """Return sensitivity, book, factor_id and amount (Float64), sorted."""
    return (
        figures.filter(pl.col("measure").is_in([Measure.EQ_DELTA, Measure.FX_DELTA]))
        .sort("measure", "factor_id", "book")
        .select(
            pl.col("measure").alias("sensitivity"),
            "book",
            "factor_id",
            pl.col(VALUE_COLUMN).cast(pl.Float64).round(2).alias("amount"),
        )
    )
