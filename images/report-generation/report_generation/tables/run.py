"""How the run went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from report_generation.formats import Kind
from report_generation.tables.model import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping


def refused(summary: Mapping[str, Any]) -> Table:
    """How many rows broke each rule, the most first."""
    return Table(
        "Refused rows by reason",
        [Column("Rule"), Column("Rows", Kind.COUNT), Column("What is wrong")],
        [
            [rule, count, summary["rules"][rule]]
            for rule, count in sorted(
                summary["refused_by_rule"].items(), key=lambda item: (-item[1], item[0])
            )
        ],
    )


def gaps(summary: Mapping[str, Any]) -> Table:
    """Risk factors that could not be used."""
    return Table(
        "Factors without a full history",
        [Column("Factor"), Column("Dates missing", Kind.COUNT)],
        sorted(summary["factors_without_history"].items(), key=lambda item: (-item[1], item[0])),
    )


def stages(summary: Mapping[str, Any]) -> Table:
    """How long each stage took, from the start of its first task to the end of its last."""
    timings = summary["timings"]
    rows = []
    for name, timing in sorted(
        timings["stages"].items(), key=lambda item: item[1].get("started_at", "")
    ):
        seconds, count = timing.get("seconds"), timings["rows"].get(name)
        rate = count / seconds if count and seconds else None
        started = timing.get("started_at", "")[:19].replace("T", " ")
        rows.append([name, started, seconds, count, rate])
    return Table(
        "Stages",
        [
            Column("Stage"),
            Column("Started, UTC"),
            Column("Seconds", Kind.DECIMAL),
            Column("Rows read", Kind.COUNT),
            Column("Rows a second", Kind.COUNT),
        ],
        rows,
    )


def facts(summary: Mapping[str, Any]) -> Table:
    """What the run was made from."""
    values = {
        "Run": summary["run_id"],
        "As of": summary["as_of"],
        "Base currency": summary["base_currency"],
        "Positions": f"s3://{summary['input']['bucket']}/{summary['input']['key']}",
        "Market data": summary["market_data"]["key"],
        "Rows in": summary["rows_in"],
        "Rows refused": summary["rows_refused"],
        "Scenarios": summary["scenarios"]["count"],
        "Scenario set (SHA-256)": summary["scenarios"]["sha256"],
        "Present value": summary["present_value"],
    }
    columns = [Column("What"), Column("Value", Kind.MONEY)]
    return Table("Run", columns, [list(item) for item in values.items()])
