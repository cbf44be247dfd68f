"""Splits a frame of positions into those that may be used and those that are refused, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import LINE, POSITION_SCHEMA, RAW_PREFIX, typed
from data_ingestion.duplicates import SeenIds
from data_ingestion.rules import DUPLICATE, Rule, rules

if TYPE_CHECKING:
    from datetime import date

    from data_ingestion.scenarios import ScenarioSet

QUARANTINE_SCHEMA: Final[dict[str, pl.DataType]] = {
    LINE: pl.Int64(),
    "rules": pl.List(pl.String()),
    "reasons": pl.String(),
    **dict.fromkeys(POSITION_SCHEMA, pl.String()),
}
"""Every column of a quarantine: the line, the broken rules, and the row as it was read."""

_BROKEN_PREFIX: Final = "broken:"


@dataclass
class Validator:
    """Applies the rules to one file's frames, one after the other."""

    as_of: date
    scenarios: ScenarioSet
    counts: dict[str, int] = field(default_factory=dict)
    """How many rows broke each rule so far."""
    _seen: SeenIds = field(default_factory=SeenIds)

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the good rows, typed, and the refused rows as the quarantine holds them.

        Raises:
            polars.exceptions.PolarsError: a Parquet column's type cannot become the column's.
        """
        wide = typed(frame)
        wide = wide.with_columns(self._seen.repeated(wide["position_id"]).alias(DUPLICATE))
        checks = rules(frame.columns, self.as_of, self.scenarios)
        wide = wide.with_columns(
            rule.broken.fill_null(value=False).alias(_BROKEN_PREFIX + rule.id) for rule in checks
        )
        refused = pl.any_horizontal(pl.col(_BROKEN_PREFIX + rule.id) for rule in checks)
        good = wide.filter(~refused).select(POSITION_SCHEMA.keys())
        return good, self._quarantined(wide.filter(refused), checks)

    def _quarantined(self, refused: pl.DataFrame, checks: list[Rule]) -> pl.DataFrame:
        for rule in checks:
            broken = int(refused[_BROKEN_PREFIX + rule.id].sum())
            if broken:
                self.counts[rule.id] = self.counts.get(rule.id, 0) + broken
        as_read = [
            pl.col(RAW_PREFIX + name).cast(pl.String).alias(name)
            if RAW_PREFIX + name in refused.columns
            else pl.lit(None, pl.String).alias(name)
            for name in POSITION_SCHEMA
        ]
        return refused.select(
            pl.col(LINE),
            _named(checks, [rule.id for rule in checks]).alias("rules"),
            _named(checks, [rule.sentence for rule in checks]).list.join(" ").alias("reasons"),
            *as_read,
        )


def _named(checks: list[Rule], words: list[str]) -> pl.Expr:
    """Return, a row, the words of the rules that it broke."""
    return pl.concat_list(
        pl.when(pl.col(_BROKEN_PREFIX + rule.id)).then(pl.lit(word))
        for rule, word in zip(checks, words, strict=True)
    ).list.drop_nulls()


def empty_quarantine() -> pl.DataFrame:
    """Return a quarantine without rows."""
    return pl.DataFrame(schema=QUARANTINE_SCHEMA)
