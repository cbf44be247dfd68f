"""Brings the figures of all shards together, after making sure that they belong together."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from batchkit.errors import ObjectConflictError, Rejected
from batchkit.figures import KEY_COLUMNS, SCENARIO_HASH, VALUE_COLUMN, Measure
from batchkit.runs import RunKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchkit.storage import Storage

_SUM_KEYS: Final = [name for name in KEY_COLUMNS if name != "scenario"]
_IS_PNL: Final = pl.col("measure") == Measure.PNL


@dataclass(frozen=True)
class Figures:
    """The figures of a run."""

    losses: dict[str, list[float]]
    """By book, in its order: a loss (above 0) or profit for every scenario."""
    sums: pl.DataFrame
    """measure, book, factor_id, tenor, value: all that does not depend on a scenario, sorted."""
    rows: int
    """How many rows of figures were added."""

    @property
    def present_values(self) -> dict[str, float]:
        """Each book's value today."""
        rows = self.sums.filter(pl.col("measure") == Measure.PRESENT_VALUE)
        return dict(rows.select("book", VALUE_COLUMN).iter_rows())

    @property
    def sensitivities(self) -> pl.DataFrame:
        """Sensitivity, book, factor_id, tenor and amount: what sensitivities.csv holds."""
        return self.sums.filter(pl.col("measure") != Measure.PRESENT_VALUE).select(
            pl.col("measure").alias("sensitivity"),
            "book",
            "factor_id",
            "tenor",
            # As in summary.json, to a millionth; adding zero turns -0 into 0.
            (pl.col(VALUE_COLUMN).round(6) + 0.0).alias("amount"),
        )


def shard_figures(storage: Storage, manifest: dict[str, Any]) -> Iterator[bytes]:
    """Yield the figures file of every shard of the manifest, in its order.

    Raises:
        ObjectGoneError: one of them does not exist.
    """
    keys = RunKeys(manifest["run_id"])
    for shard in manifest["shards"]:
        yield storage.read_output(keys.risk(shard["name"]))


def added(files: Iterable[bytes], manifest: Mapping[str, Any]) -> Figures:
    """Return the sums of a manifest's figures files, added one after the other in their order.

    A book that a shard does not have adds nothing to it. Only one file is held at a time.

    Raises:
        ObjectConflictError: a file was made with another scenario set, a book in it has not one
            P&L for every scenario, or the books are not those of the manifest.
        Rejected: a figure is beyond what can be counted.
    """
    scenarios = manifest["scenarios"]["count"]
    numbers = pl.Series("scenario", range(scenarios), dtype=pl.Int32)
    pnl: dict[str, pl.Series] = {}
    sums: pl.DataFrame | None = None
    rows = 0
    for content in files:
        part = _read(content, manifest["scenarios"]["sha256"])
        rows += part.height
        for (book,), own in part.filter(_IS_PNL).partition_by("book", as_dict=True).items():
            if not own["scenario"].equals(numbers):
                raise ObjectConflictError(
                    f"Book {book} of a shard has {own.height} P&L figures that are not one for "
                    f"each of the {scenarios} scenarios."
                )
            before = pnl.get(book)
            pnl[book] = own[VALUE_COLUMN] if before is None else before + own[VALUE_COLUMN]
        others = part.filter(~_IS_PNL).select(*_SUM_KEYS, VALUE_COLUMN)
        # Two rows a key at most, and a sum of two has no order.
        joined = others if sums is None else pl.concat([sums, others])
        sums = joined.group_by(_SUM_KEYS).agg(pl.col(VALUE_COLUMN).sum())
    if sums is None:
        raise ValueError("A run has at least one shard.")
    if different := pnl.keys() ^ manifest["books"].keys():
        raise ObjectConflictError(
            f"The shards' figures and the manifest do not agree on the books: {sorted(different)}."
        )
    _finite([sums[VALUE_COLUMN], *pnl.values()])
    losses = {book: (0.0 - pnl[book]).to_list() for book in sorted(pnl)}
    return Figures(losses, sums.sort("measure", "book", "factor_id", "tenor"), rows)


def _read(content: bytes, scenario_sha256: str) -> pl.DataFrame:
    made_with = pl.read_parquet_metadata(BytesIO(content)).get(SCENARIO_HASH)
    if made_with != scenario_sha256:
        raise ObjectConflictError(
            f"A shard's figures were made with the scenario set {made_with}, and the run's is "
            f"{scenario_sha256}; they cannot be added."
        )
    return pl.read_parquet(BytesIO(content))


def _finite(columns: Iterable[pl.Series]) -> None:
    if not all(column.is_finite().all() for column in columns):
        raise Rejected(
            "The sum of a book's figures is beyond the largest number. Are the quantities right?"
        )
