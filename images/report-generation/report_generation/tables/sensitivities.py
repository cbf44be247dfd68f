"""Sensitivities by factor and by book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from report_generation.formats import Kind, tenor_order
from report_generation.tables.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from report_generation.summary import Results


def by_factor(summary: Mapping[str, Any]) -> Table:
    """Sensitivities of the portfolio by factor."""
    return Table(
        "Sensitivities by factor",
        [
            Column("Sensitivity"),
            Column("Factor"),
            Column("Tenor", Kind.TENOR),
            Column("Amount", Kind.MONEY),
        ],
        sorted(
            (
                [row["sensitivity"], row["factor_id"], row["tenor"], row["amount"]]
                for row in summary["greeks"]
            ),
            key=lambda row: (row[0], row[1] or "", tenor_order(row[2])),
        ),
    )


def by_book(results: Results) -> Table:
    """Sensitivities by book and factor."""
    return Table(
        "Sensitivities",
        [
            Column("Sensitivity"),
            Column("Book"),
            Column("Factor"),
            Column("Tenor", Kind.TENOR),
            Column("Amount", Kind.MONEY),
        ],
        results.sensitivities.rows(),
    )
