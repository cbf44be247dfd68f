"""The backtest of the historical VaR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from report_generation.formats import Kind, percent
from report_generation.tables.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from report_generation.backtest import Backtest


def coverage(summary: Mapping[str, Any]) -> Table:
    """How often the loss was beyond VaR, and what that means for the traffic light."""
    rows = []
    for row in summary["backtest"]["levels"]:
        light = row["traffic_light"]
        rows.append(
            [
                row["level"],
                row["days"],
                row["expected"],
                len(row["exceptions"]),
                light["exceptions"] if light else None,
                light["zone"] if light else None,
            ]
        )
    return Table(
        "Exceptions by level",
        [
            Column("Level", Kind.LEVEL),
            Column("Days", Kind.COUNT),
            Column("Expected", Kind.DECIMAL),
            Column("Exceptions", Kind.COUNT),
            Column("In latest 250 days", Kind.COUNT),
            Column("Basel zone"),
        ],
        rows,
    )


def tests(summary: Mapping[str, Any]) -> Table:
    """The likelihood ratio tests of the backtest."""
    names = {
        "kupiec": "Number (Kupiec)",
        "independence": "Independence (Christoffersen)",
        "conditional_coverage": "Both (conditional coverage)",
    }
    return Table(
        "Likelihood ratio tests",
        [
            Column("Level", Kind.LEVEL),
            Column("Test of"),
            Column("Likelihood ratio", Kind.STATISTIC),
            Column("p-value", Kind.STATISTIC),
        ],
        [
            [row["level"], title, row["tests"][name]["statistic"], row["tests"][name]["p_value"]]
            for row in summary["backtest"]["levels"]
            if row["tests"]
            for name, title in names.items()
        ],
    )


def exceptions(summary: Mapping[str, Any]) -> Table:
    """The days on which the loss was beyond VaR, with the VaR that it was beyond, latest first."""
    levels = [row["level"] for row in summary["backtest"]["levels"]]
    found: dict[str, tuple[float, dict[float, float]]] = {}
    for row in summary["backtest"]["levels"]:
        for day in row["exceptions"]:
            found.setdefault(day["date"], (day["pnl"], {}))[1][row["level"]] = day["var"]
    return Table(
        "Exceptions",
        [
            Column("Day"),
            Column("P&L", Kind.MONEY),
            *(Column(f"Beyond VaR {percent(level)}", Kind.MONEY) for level in levels),
        ],
        [
            [day, amount, *(exceeded.get(level) for level in levels)]
            for day, (amount, exceeded) in sorted(found.items(), reverse=True)
        ],
    )


def days(backtests: Sequence[Backtest]) -> Table:
    """Every tested day with its VaR at every level, the latest first."""
    rows = [
        [levels[0].date, levels[0].pnl, *(day.var for day in levels)]
        for levels in zip(*(test.days for test in backtests), strict=True)
    ]
    return Table(
        "Tested days",
        [
            Column("Day"),
            Column("P&L", Kind.MONEY),
            *(Column(f"VaR {percent(float(test.level))}", Kind.MONEY) for test in backtests),
        ],
        rows[::-1],
    )
