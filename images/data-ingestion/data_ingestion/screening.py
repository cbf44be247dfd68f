"""Finds the rows that break a rule, quickly: most break none.

Columns in which the same few texts come again and again are read as categories, and what rules ask
of those alone is asked of each combination of them once, as text. All else is asked of every row.
Which rules a row breaks is not told here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.columns import CATEGORY, RAW_PREFIX, as_text, typed
from data_ingestion.products import IS_PREFIX, with_products
from data_ingestion.rules import ROW_MARKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from data_ingestion.rules import Rule

_KEY: Final = "key"
_BROKEN: Final = "broken"
_DOUBTFUL: Final = "doubtful:"
_NO_CATEGORY: Final = (1 << 32) - 1
_MOST_KNOWN: Final = 100_000


@dataclass
class _Values:
    """What is asked of each combination of some columns' values, once."""

    columns: list[str]
    parts: list[pl.Expr]
    good: pl.DataFrame
    bad: pl.DataFrame
    """The combinations known so far, each with its key."""

    @classmethod
    def of(cls, columns: Iterable[str], parts: list[pl.Expr]) -> _Values:
        """Return one that knows nothing yet."""
        names = sorted(columns)
        # Rows are kept beside their keys, for without rows the numbers of categories are given
        # to others.
        nothing = pl.DataFrame(schema=dict.fromkeys(names, CATEGORY))
        values = cls(names, parts, nothing, nothing)
        values.good = values.bad = nothing.select(values._key, *names)
        return values

    @property
    def doubtful(self) -> pl.Expr:
        """Whether a row has a combination that is not known to be good."""
        return ~self._key.is_in(self.good[_KEY].implode())

    def broken(self, rows: pl.DataFrame) -> pl.Series:
        """Return for each of these rows, which are doubtful, whether it breaks something."""
        asked = rows.select(self._key, *self.columns)
        unknown = asked.filter(~asked[_KEY].is_in(self.bad[_KEY].implode()))
        if unknown.height:
            new = unknown.unique(subset=_KEY)
            wide = with_products(typed(as_text(new.drop(_KEY))))
            breaks = wide.select(_any(self.parts)).collect().to_series()
            self.good = _more(self.good, new.filter(~breaks))
            # What is broken now and then need not be kept for ever.
            self.bad = pl.concat([self.bad, new.filter(breaks)])
        found = asked[_KEY].is_in(self.bad[_KEY].implode())
        self.bad = _more(self.bad)
        return found

    @property
    def _key(self) -> pl.Expr:
        """A number for each combination of categories.

        Of 100,000 combinations two share one with a chance of about 1 in 10^9: a column's number
        times an odd number of 64 random bits is any number, and so is the sum.
        """
        source = random.Random(0)  # noqa: S311 - a hash function's numbers, no secret
        numbers = [pl.col(name).to_physical().fill_null(_NO_CATEGORY) for name in self.columns]
        if len(numbers) == 1:
            return numbers[0].alias(_KEY)
        return pl.sum_horizontal(
            number.cast(pl.UInt64) * pl.lit(source.getrandbits(64) | 1, pl.UInt64)
            for number in numbers
        ).alias(_KEY)


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

    def screened(
        self, rows: pl.DataFrame, wide: pl.LazyFrame, wanted: list[pl.Expr]
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return the columns that are wanted, and for each row whether it breaks a rule.

        Args:
            rows: as read.
            wide: the same rows typed, with all that the rules ask for.
            wanted: of `wide`.
        """
        doubts = [
            values.doubtful.alias(f"{_DOUBTFUL}{number}")
            for number, values in enumerate(self.of_values)
        ]
        # One query, for each has its price whatever it does.
        checked = wide.select(*wanted, _any(self.of_rows), *doubts).collect()
        doubtful = [checked.drop_in_place(f"{_DOUBTFUL}{number}") for number in range(len(doubts))]
        broken = checked.drop_in_place(_BROKEN)
        for values, some in zip(self.of_values, doubtful, strict=True):
            numbers = some.arg_true()
            if numbers.len():
                bad = values.broken(rows.select(values.columns)[numbers])
                broken.scatter(numbers.filter(bad), values=True)
        return checked, broken


def _read_from(part: pl.Expr) -> set[str]:
    """Return the columns of the file, or marks, that an expression depends on."""
    return {
        "product_type" if name.startswith(IS_PREFIX) else name.removeprefix(RAW_PREFIX)
        for name in part.meta.root_names()
    }


def _any(parts: list[pl.Expr]) -> pl.Expr:
    """Return whether a row breaks one of them."""
    return pl.any_horizontal(pl.lit(value=False), *parts).fill_null(value=False).alias(_BROKEN)


def _more(known: pl.DataFrame, new: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return both, or nothing if that is too much to keep."""
    both = known if new is None else pl.concat([known, new])
    return both.clear() if both.height > _MOST_KNOWN else both
