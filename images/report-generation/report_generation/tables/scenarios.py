"""P&L by scenario: the worst days, the named ones, and all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from report_generation.formats import Kind
from report_generation.tables.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from report_generation.summary import Results


def worst(summary: Mapping[str, Any]) -> Table:
    """The worst days of the history for today's positions."""
    rows = summary["worst_scenarios"]
    return _named("Worst days", "Move of", [(row["date"], row) for row in rows])


def stress(summary: Mapping[str, Any]) -> Table:
    """The portfolio's P&L in the named scenarios."""
    rows = summary["stress"]
    return _named("Stress scenarios", "Scenario", [(row["name"], row) for row in rows])


def _named(title: str, what: str, scenarios: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """P&L by scenario, with the book whose P&L is the lowest."""
    worst_books = [min(row["books"], key=lambda book: book["pnl"]) for _, row in scenarios]
    return Table(
        title,
        [
            Column(what),
            Column("P&L", Kind.MONEY),
            Column("Worst book"),
            Column("Its P&L", Kind.MONEY),
        ],
        [
            [name, row["pnl"], book["book"], book["pnl"]]
            for (name, row), book in zip(scenarios, worst_books, strict=True)
        ],
    )


def stress_by_book(summary: Mapping[str, Any]) -> Table:
    """P&L by book in the named scenarios."""
    scenarios = summary["stress"]
    return Table(
        "Stress scenarios by book",
        [Column("Book"), *(Column(row["name"], Kind.MONEY) for row in scenarios)],
        [
            [book["book"], *(row["books"][place]["pnl"] for row in scenarios)]
            for place, book in enumerate(summary["books"])
        ],
        ["Portfolio", *(row["pnl"] for row in scenarios)],
    )


def pnl(results: Results, *, by_book: bool) -> Table:
    """P&L in every scenario."""
    shown = results.losses_by_book if by_book else {}
    vectors = [results.losses, *shown.values()]
    return Table(
        "P&L",
        [
            Column("Scenarios"),
            Column("Scenario"),
            Column("Portfolio", Kind.MONEY),
            *(Column(book, Kind.MONEY) for book in shown),
        ],
        [
            [block.kind, label, *(0.0 - vector[block.start + place] for vector in vectors)]
            for block in results.blocks.all
            for place, label in enumerate(block.labels)
        ],
    )
