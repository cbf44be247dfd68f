"""Splits batches of positions into those that may be used and those that are refused, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import LINE, POSITION_SCHEMA, as_text, picked, typed
from data_ingestion.products import rules, with_products
from data_ingestion.rules import DUPLICATE
from data_ingestion.screening import Screen

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
    _screens: dict[tuple[tuple[tuple[str, pl.DataType], ...], bool], Screen] = field(
        default_factory=dict
    )

    def split(
        self,
        frame: pl.DataFrame,
        *,
        leave: pl.Series | None = None,
        duplicate: pl.Series | None = None,
        printable: bool = False,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the good rows, typed, and the refused rows as read, for `quarantined`.

        Args:
            frame: rows as read, with `LINE`.
            leave: rows that are neither, for now.
            duplicate: whether each row's position_id stands on an earlier line; None if none does.
            printable: whether the text is known to be UTF-8 without control characters.
        """
        again = pl.lit(value=False) if duplicate is None else duplicate
        wide = with_products(typed(frame)).with_columns(again.alias(DUPLICATE))
        kept = [self._kept(name, frame.schema) for name in POSITION_SCHEMA]
        screen = self._screen(frame.schema, printable=printable)
        good, broken = screen.screened(frame, wide, kept)
        left = broken if leave is None else broken | leave
        refused = broken if leave is None else broken & ~leave
        if left.any():
            good = picked(good, ~left)
        if duplicate is not None:
            again = duplicate.filter(refused)
        return good, as_text(picked(frame, refused)).with_columns(again.alias(DUPLICATE))

    def _kept(self, name: str, as_read: pl.Schema) -> pl.Expr:
        """Return a good row's column as its shard has it."""
        if name == "as_of":
            return pl.lit(self.as_of).alias(name)  # a good row's is the file's
        if name == "option_type":
            return _first_letter(name, as_read.get(name, pl.String()))
        return pl.col(name)

    def _screen(self, schema: pl.Schema, *, printable: bool) -> Screen:
        key = (tuple(schema.items()), printable)
        if key not in self._screens:
            checks = self._rules(schema.names(), printable=printable)
            self._screens[key] = Screen.of(checks, schema)
        return self._screens[key]

    def _rules(self, columns: list[str], *, printable: bool = False) -> list[Rule]:
        return rules(columns, self.as_of, self.scenarios, printable=printable)

    def quarantined(self, refused: pl.DataFrame) -> pl.DataFrame:
        """Return refused rows as the quarantine holds them, and count the rules that they broke.

        Args:
            refused: what `split` returned, of one or several frames.
        """
        if refused.is_empty():
            return pl.DataFrame(schema=QUARANTINE_SCHEMA)
        columns = [name for name in refused.columns if name != DUPLICATE]
        wide = with_products(typed(refused.select(columns))).with_columns(refused[DUPLICATE])
        checks = self._rules(columns)
        broken = wide.select(rule.broken.alias(rule.id) for rule in checks).collect()
        counts = broken.sum().row(0, named=True)
        checks = [rule for rule in checks if counts[rule.id]]
        for rule in checks:
            self.sentences[rule.id] = rule.sentence
            # Rows that looked repeated come last, whatever their lines.
            first = refused[LINE].filter(broken[rule.id])[0]
            self.first_lines[rule.id] = min(first, self.first_lines.get(rule.id, first))
            self.counts[rule.id] = self.counts.get(rule.id, 0) + counts[rule.id]
        return refused.select(
            pl.col(LINE),
            _words(broken, {rule.id: rule.id for rule in checks}).str.split(" ").alias("rules"),
            _words(broken, {rule.id: rule.sentence for rule in checks}).alias("reasons"),
            *(
                pl.col(name).cast(pl.String)
                if name in columns
                else pl.lit(None, pl.String).alias(name)
                for name in POSITION_SCHEMA
            ),
        )


def _first_letter(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return an option type's column with C and P for CALL and PUT."""
    short = pl.col(name)
    for word in ("CALL", "PUT"):
        short = pl.when(pl.col(name) == word).then(pl.lit(word[0], dtype)).otherwise(short)
    return short.alias(name)


def _words(broken: pl.DataFrame, words: dict[str, str]) -> pl.Series:
    """Return, a row, the words of the rules that it broke."""
    return broken.select(
        pl.concat_str(
            [pl.when(pl.col(rule)).then(pl.lit(word)) for rule, word in words.items()],
            separator=" ",
            ignore_nulls=True,
        )
    ).to_series()
