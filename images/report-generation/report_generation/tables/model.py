"""What a table is, before it becomes HTML or a sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from report_generation.formats import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Column:
    """A column's title and what it holds."""

    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Table:
    """A table with a title, and a last row that is no part of its sorting where there is one."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: Sequence[Any] | None = None
    of: int | None = None
    """How many rows the whole table has, where these are some of them."""

    def largest(self, count: int, by: str, within: str | None = None) -> Table:
        """Return the table with the largest amounts of a column, as many in each group of another.

        They stay in their order.
        """
        titles = [column.title for column in self.columns]
        amount, group = titles.index(by), titles.index(within) if within else None
        kept: list[int] = []
        taken: Counter[Any] = Counter()
        for place in sorted(range(len(self.rows)), key=lambda at: -abs(self.rows[at][amount])):
            name = None if group is None else self.rows[place][group]
            taken[name] += 1
            if taken[name] <= count:
                kept.append(place)
        return self._of([self.rows[place] for place in sorted(kept)])

    def first(self, count: int) -> Table:
        """Return the table with its first rows only."""
        return self._of(self.rows[:count])

    def _of(self, rows: Sequence[Sequence[Any]]) -> Table:
        return replace(self, rows=rows, of=len(self.rows) if len(rows) < len(self.rows) else None)
