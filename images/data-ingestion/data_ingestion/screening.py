"""Finds the rows that break a rule, quickly: most break none.

Columns in which the same few texts come again and again are read as categories, and what rules ask
of those alone is asked of each combination of them once, as text. All else is asked of every row.
Which rules a row breaks is not told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from data_ingestion.columns import CATEGORY, RAW_PREFIX, as_text, typed
from data_ingestion.products import IS_PREFIX, with_products
from data_ingestion.rules import ROW_MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from data_ingestion.rules import Rule

_ROW: Final = "row"
_MOST_KNOWN: Final = 100_000


@dataclass
class _Values:
    """What is asked of each combination of some columns' values, once."""

    columns: list[str]
    parts: list[pl.Expr]
    good: pl.DataFrame
    bad: pl.DataFrame
    """The combinations known so far."""

    @classmethod
    def of(cls, columns: Iterable[str], parts: list[pl.Expr]) -> _Values:
        """Return one that knows nothing yet."""
        names = sorted(columns)
        nothing = pl.DataFrame(schema=dict.fromkeys(names, CATEGORY))
        return cls(names, parts, nothing, nothing)

    def broken(self, rows: pl.DataFrame) -> pl.Series:
        """Return the numbers of the rows that break something."""
        values = rows.select(pl.int_range(pl.len()).alias(_ROW), *self.columns)
        doubtful = self._among(self.good, values, "anti")
        new = self._among(self.bad, doubtful, "anti").select(self.columns).unique()
        if new.height:
            breaks = _any(with_products(typed(as_text(new))), self.parts)
            self.good = _more(self.good, new.filter(~breaks))
            # What is broken now and then need not be kept for ever.
            self.bad = pl.concat([self.bad, new.filter(breaks)])
        found = self._among(self.bad, doubtful, "semi")[_ROW]
        self.bad = _more(self.bad)
        return found

    def _among(
        self, known: pl.DataFrame, values: pl.DataFrame, how: Literal["anti", "semi"]
    ) -> pl.DataFrame:
        if len(self.columns) > 1:
            return values.join(known, on=self.columns, how=how, nulls_equal=True)
        # Quicker.
        (name,) = self.columns
        found = values[name].is_in(known[name].implode(), nulls_equal=True)
        return values.filter(found if how == "semi" else ~found)


@dataclass(frozen=True)
class Screen:
    """The parts of the rules, by what they are asked of."""

    of_rows: list[pl.Expr]
    of_values: list[_Values]

    @classmethod
    def of(cls, rules: Iterable[Rule], schema: pl.Schema) -> Screen:
        """Divide the rules for frames with these columns."""
        repeating = {name for name, dtype in schema.items() if dtype == CATEGORY}
        of_rows: list[pl.Expr] = []
        asked: list[tuple[frozenset[str], pl.Expr]] = []
        for part in (part for rule in rules for part in rule.parts or (rule.broken,)):
            read = {name for name in _read_from(part) if name in schema or name in ROW_MARKS}
            if read and read <= repeating:
                asked.append((frozenset(read), part))
            else:
                of_rows.append(part)
        together = frozenset[str]().union(*(names for names, _ in asked if len(names) > 1))
        groups: dict[frozenset[str], list[pl.Expr]] = {}
        for names, part in asked:
            group = together if names.issubset(together) else names
            groups.setdefault(group, []).append(part)
        return cls(of_rows, [_Values.of(names, parts) for names, parts in groups.items()])

    def broken(self, rows: pl.DataFrame, wide: pl.DataFrame) -> pl.Series:
        """Return for each row whether it breaks a rule.

        Args:
            rows: as read.
            wide: the same rows typed, with all that the rules ask for.
        """
        broken = _any(wide, self.of_rows)
        for values in self.of_values:
            bad = values.broken(rows)
            if bad.len():
                broken.scatter(bad, values=True)
        return broken


def _read_from(part: pl.Expr) -> set[str]:
    """Return the columns of the file, or marks, that an expression depends on."""
    return {
        "product_type" if name.startswith(IS_PREFIX) else name.removeprefix(RAW_PREFIX)
        for name in part.meta.root_names()
    }


def _any(frame: pl.DataFrame, parts: list[pl.Expr]) -> pl.Series:
    found = pl.any_horizontal(pl.lit(value=False), *parts).fill_null(value=False)
    return frame.select(found.alias("broken")).to_series()


def _more(known: pl.DataFrame, new: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return both, or nothing if that is too much to keep."""
    both = known if new is None else pl.concat([known, new])
    return both.clear() if both.height > _MOST_KNOWN else both
