"""report.xlsx: the report's tables with numbers that can be calculated with."""

from __future__ import annotations

import io
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from report_generation.formats import Kind
from report_generation.tables import backtest, risk, run, scenarios, sensitivities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from report_generation.summary import Results
    from report_generation.tables.model import Table

_FORMATS: Final = {
    Kind.MONEY: "#,##0;[Red]-#,##0",
    Kind.COUNT: "#,##0",
    Kind.LEVEL: "0.0##%",
    Kind.STATISTIC: "0.0000",
    Kind.DECIMAL: "#,##0.0",
}
_PNL_CELLS: Final = 1_000_000
"""Beyond that, the P&L sheet has the portfolio alone; risk/ has every book's."""
_MOST_ROWS: Final = 1_048_576 - 3
"""Of a sheet's own limit, besides a header, a total and the word that there are more."""


def render(results: Results) -> bytes:
    """Return the workbook; the same bytes for the same results."""
    buffer = io.BytesIO()
    # Text is text: a book called "=1+1" must not become a formula, nor a name a link. A sheet's
    # rows go to a temporary file one by one, so that a large one does not fill the memory.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    workbook = xlsxwriter.Workbook(buffer, options)
    # The file's own date would be the moment of writing.
    workbook.set_properties({"created": datetime.fromisoformat(results.summary["as_of"])})
    formats = {kind: workbook.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
    head = workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    for name, table in sheets(results).items():
        _write(workbook.add_worksheet(name), table, formats, head)
    workbook.close()
    return buffer.getvalue()


def sheets(results: Results) -> dict[str, Table]:
    """Return the workbook's tables by the names of their sheets."""
    summary = results.summary
    by_book = len(results.losses) * len(results.losses_by_book) <= _PNL_CELLS
    return {
        "Risk": risk.portfolio(summary),
        "Books": risk.books(summary),
        "Stress": scenarios.stress_by_book(summary),
        "Worst days": scenarios.worst(summary),
        "Backtest": backtest.coverage(summary),
        "Tests": backtest.tests(summary),
        "Exceptions": backtest.exceptions(summary),
        "Tested days": backtest.days(results.backtests),
        "Greeks": sensitivities.by_factor(summary),
        "Sensitivities": sensitivities.by_book(results),
        "P&L": scenarios.pnl(results, by_book=by_book),
        "Refused rows": run.refused(summary),
        "Factors without history": run.gaps(summary),
        "Run": run.facts(summary),
    }


def _write(sheet: Any, table: Table, formats: Mapping[Kind, Any], head: Any) -> None:
    rows = [*table.rows[:_MOST_ROWS], *([table.total] if table.total else [])]
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.title, head)
        widest = max((len(_text(row[place])) for row in rows), default=0)
        sheet.set_column(place, place, min(60, max(10, widest + 2, len(column.title) // 2 + 2)))
    for number, row in enumerate(rows, start=1):
        for place, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            if isinstance(value, str):
                sheet.write_string(number, place, value)
            elif value is not None:
                sheet.write_number(number, place, value, formats[column.kind])
    sheet.freeze_panes(1, 1)
    shown = min(len(table.rows), _MOST_ROWS)
    if shown < len(table.rows):
        cut = f"{shown:,} of {len(table.rows):,} rows: a sheet has no room for more."
        sheet.write_string(len(rows) + 1, 0, cut)
    if shown:
        sheet.autofilter(0, 0, shown, len(table.columns) - 1)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:,.0f}" if isinstance(value, int | float) else value
