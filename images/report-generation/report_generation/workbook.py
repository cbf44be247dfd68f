"""report.xlsx: the report's tables with numbers that can be calculated with."""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from report_generation.page import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

_MONEY: Final = "#,##0;[Red]-#,##0"
_COUNT: Final = "#,##0"


def render(
    summary: Mapping[str, Any],
    losses_by_book: Mapping[str, Sequence[float]],
    dates: Sequence[str],
    sensitivities: pl.DataFrame,
) -> bytes:
    """Return the workbook; the same bytes for the same figures.

    Args:
        summary: of summary.py, with or without timings.
        losses_by_book: a loss for every scenario.
        dates: of the scenarios.
        sensitivities: of fan_in.py.
    """
    buffer = io.BytesIO()
    # Text is text: a book called "=1+1" must not become a formula, nor a name a link.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(buffer, options)
    # The file's own date would be the moment of writing.
    book.set_properties({"created": datetime.fromisoformat(summary["as_of"])})
    levels = [percent(risk["level"]) for risk in summary["risk"]]
    _sheet(
        book,
        "Risk",
        ["Level", "VaR", "ES", "VaR is the n-th worst loss"],
        [
            [percent(risk["level"]), risk["var"], risk["es"], risk["rank"]]
            for risk in summary["risk"]
        ],
    )
    names = ("VaR", "ES", "Component ES")
    _sheet(
        book,
        "Books",
        ["Book", "Present value", *(f"{name} {level}" for level in levels for name in names)],
        [
            [
                row["book"],
                row["present_value"],
                *(risk[field] for risk in row["risk"] for field in ("var", "es", "component_es")),
            ]
            for row in summary["books"]
        ],
    )
    _sheet(
        book,
        "P&L",
        ["Scenario", *losses_by_book],
        [
            [day, *(-losses[index] for losses in losses_by_book.values())]
            for index, day in enumerate(dates)
        ],
    )
    _sheet(
        book,
        "Sensitivities",
        ["Sensitivity", "Book", "Factor", "Amount"],
        [list(row) for row in sensitivities.iter_rows()],
    )
    _sheet(
        book,
        "Refused rows",
        ["Rule", "Rows"],
        [[rule, count] for rule, count in summary["refused_by_rule"].items()],
    )
    _sheet(
        book,
        "Run",
        ["", summary["run_id"]],
        [
            ["As of", summary["as_of"]],
            ["Base currency", summary["base_currency"]],
            ["Input", f"s3://{summary['input']['bucket']}/{summary['input']['key']}"],
            ["Rows in", summary["rows_in"]],
            ["Rows refused", summary["rows_refused"]],
            ["Scenarios", summary["scenarios"]["count"]],
            ["Scenario set (SHA-256)", summary["scenarios"]["sha256"]],
            ["Present value", summary["present_value"]],
        ],
    )
    book.close()
    return buffer.getvalue()


def _sheet(book: xlsxwriter.Workbook, name: str, header: list[str], rows: list[list[Any]]) -> None:
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    money = book.add_format({"num_format": _MONEY})
    count = book.add_format({"num_format": _COUNT})
    for column, title in enumerate(header):
        sheet.write_string(0, column, title, head)
        widest = max((len(str(row[column])) for row in rows), default=0)
        sheet.set_column(column, column, min(60, max(12, widest + 2, len(title) // 2 + 2)))
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(number, column, value)
            else:
                sheet.write_number(
                    number, column, value, count if isinstance(value, int) else money
                )
    sheet.freeze_panes(1, 1)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(header) - 1)
