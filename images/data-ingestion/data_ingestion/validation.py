"""Splits batches of positions into those that may be used and those that are refused, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import LINE, POSITION_SCHEMA, RAW_PREFIX, picked, typed
from data_ingestion.products import rules, with_products
from data_ingestion.rules import DUPLICATE

if TYPE_CHECKING:
    from datetime import date

    from data_ingestion.rules import Rule
    from data_ingestion.scenarios import ScenarioSet

QUARANTINE_SCHEMA: Final[dict[str, pl.DataType]] = {
    LINE: pl.Int64(),
    "rules": pl.List(pl.String()),
    "reasons": pl.String(),
    **dict.fromkeys(POSITION_SCHEMA, pl.String()),
}
"""Every column of a quarantine: the line, the broken rules, and the row as it was read."""


@dataclass
class Validator:
    """Applies the rules to one file's batches, one after the other."""

    as_of: date
    scenarios: ScenarioSet
    counts: dict[str, int] = field(default_factory=dict)
    """How many rows broke each rule so far."""
    sentences: dict[str, str] = field(default_factory=dict)
    """What is wrong with them, by rule."""
    first_lines: dict[str, int] = field(default_factory=dict)
    """Where the first of them stands, by rule."""
    _known_rules: dict[tuple[tuple[str, ...], bool], list[Rule]] = field(default_factory=dict)

    def split(
        self,
        frame: pl.DataFrame,
        *,
        leave: pl.Series | None = None,
        duplicate: pl.Series | None = None,
        printable: bool = False,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the good rows, typed, and the refused rows as the quarantine holds them.

        Args:
            frame: rows as read, with `LINE`.
            leave: rows that are neither, for now.
            duplicate: whether each row's position_id stands on an earlier line; None if none does.
            printable: whether the text is known to be UTF-8 without control characters.
        """
        again = pl.lit(value=False) if duplicate is None else duplicate
        wide = with_products(typed(frame)).with_columns(again.alias(DUPLICATE))
        checks = self._rules(tuple(frame.columns), printable=printable)
        flags = wide.select(rule.broken.alias(rule.id) for rule in checks)
        broken = flags.select(pl.any_horizontal(pl.all()).fill_null(value=False)).to_series()
        left = broken if leave is None else broken | leave
        refused = broken if leave is None else broken & ~leave
        good = wide.select(
            # CALL and PUT are kept as C and P.
            pl.col(name).str.head(1) if name == "option_type" else pl.col(name)
            for name in POSITION_SCHEMA
        )
        if left.any():
            good = picked(good, ~left)
        if not refused.any():
            return good, pl.DataFrame(schema=QUARANTINE_SCHEMA)
        return good, self._quarantined(picked(wide, refused), picked(flags, refused), checks)

    def _rules(self, columns: tuple[str, ...], *, printable: bool) -> list[Rule]:
        key = (columns, printable)
        if key not in self._known_rules:
            self._known_rules[key] = rules(
                [*columns], self.as_of, self.scenarios, printable=printable
            )
        return self._known_rules[key]

    def _quarantined(
        self, refused: pl.DataFrame, broken: pl.DataFrame, checks: list[Rule]
    ) -> pl.DataFrame:
        counts = broken.sum().row(0, named=True)
        checks = [rule for rule in checks if counts[rule.id]]
        for rule in checks:
            if rule.id not in self.counts:
                self.sentences[rule.id] = rule.sentence
                self.first_lines[rule.id] = refused[LINE].filter(broken[rule.id])[0]
            self.counts[rule.id] = self.counts.get(rule.id, 0) + counts[rule.id]
        as_read = [
            pl.col(RAW_PREFIX + name).cast(pl.String).alias(name)
            if RAW_PREFIX + name in refused.columns
            else pl.lit(None, pl.String).alias(name)
            for name in POSITION_SCHEMA
        ]
        return refused.select(
            pl.col(LINE),
            _words(broken, {rule.id: rule.id for rule in checks}).str.split(" ").alias("rules"),
            _words(broken, {rule.id: rule.sentence for rule in checks}).alias("reasons"),
            *as_read,
        )


def _words(broken: pl.DataFrame, words: dict[str, str]) -> pl.Series:
    """Return, a row, the words of the rules that it broke."""
    return broken.select(
        pl.concat_str(
            [pl.when(pl.col(rule)).then(pl.lit(word)) for rule, word in words.items()],
            separator=" ",
            ignore_nulls=True,
        )
    ).to_series()
