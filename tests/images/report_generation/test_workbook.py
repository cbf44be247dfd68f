from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from report_generation import workbook

if TYPE_CHECKING:
    from report_generation.summary import Results

NAMES = [
    "Risk", "Books", "Stress", "Worst days", "Backtest", "Tests", "Exceptions", "Tested days",
    "Greeks", "Sensitivities", "P&L", "Refused rows", "Factors without history", "Run",
]  # fmt: skip


@pytest.fixture(scope="module")
def content(shared_results: Results) -> bytes:
    return workbook.render(shared_results)


def part(content: bytes, name: str) -> str:
    return zipfile.ZipFile(io.BytesIO(content)).read(f"xl/{name}").decode()


def rows(content: bytes, sheet: str) -> list[list[Any]]:
    """A sheet's cells as a reader sees them."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    # A file that this test has just written.
    root = ET.fromstring(  # noqa: S314
        part(content, f"worksheets/sheet{NAMES.index(sheet) + 1}.xml")
    )
    return [
        [
            "".join(cell.itertext()) if cell.get("t") == "inlineStr" else float(cell[0].text or "")
            for cell in row
            if len(cell)
        ]
        for row in root.iter(f"{space}row")
    ]


def test_it_has_the_reports_tables(content: bytes) -> None:
    names = re.findall(r'<sheet name="([^"]+)"', part(content, "workbook.xml"))
    assert [name.replace("&amp;", "&") for name in names] == NAMES


def test_it_is_the_same_bytes_again(content: bytes, shared_results: Results) -> None:
    assert workbook.render(shared_results) == content


def test_its_numbers_are_numbers(content: bytes, summary: dict[str, Any]) -> None:
    header, *found = rows(content, "Risk")
    assert header == ["Simulation", "Days", "Level", "VaR", "ES", "Rank of VaR"]
    expected = [*summary["risk"], *summary["monte_carlo"]["risk"]]
    assert [row[2:5] for row in found if row[1] == 1] == [
        [row["level"], pytest.approx(row["var"]), pytest.approx(row["es"])] for row in expected
    ]
    formats = part(content, "styles.xml")
    assert "#,##0;[Red]-#,##0" in formats
    assert "0.0##%" in formats


def test_every_scenario_has_its_pnl(content: bytes, results: Results) -> None:
    header, *found = rows(content, "P&L")
    assert header == ["Scenarios", "Scenario", "Portfolio", *results.losses_by_book]
    assert len(found) == len(results.losses) == 2524
    assert found[520][:2] == ["monte-carlo", "No. 1"]
    assert found[-1][1:3] == ["Equity -20%", pytest.approx(-results.losses[-1])]


def test_beyond_a_million_cells_the_portfolio_stands_alone(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "_PNL_CELLS", 2524 * 6 - 1)
    assert len(workbook.sheets(results)["P&L"].columns) == 3


def test_sensitivities_are_there_by_book(content: bytes, results: Results) -> None:
    _, *found = rows(content, "Sensitivities")
    assert len(found) == results.sensitivities.height
    assert found[-1] == ["THETA", "Rates", pytest.approx(-2469.0)]


def test_a_sheet_without_room_for_all_rows_says_so(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "_MOST_ROWS", 20)
    content = workbook.render(results)
    _, *found = rows(content, "Sensitivities")
    assert len(found) == 21
    every = results.sensitivities.height
    assert found[-1] == [f"20 of {every} rows: a sheet has no room for more."]


def test_what_users_wrote_is_no_formula(content: bytes) -> None:
    for number in range(1, len(NAMES) + 1):
        assert "<f>" not in part(content, f"worksheets/sheet{number}.xml")
    assert ["=1+1", "Historical"] in [row[:2] for row in rows(content, "Books")]


def test_an_empty_table_keeps_its_header(results: Results) -> None:
    empty = replace(results, summary={**results.summary, "refused_by_rule": {}})
    assert rows(workbook.render(empty), "Refused rows") == [["Rule", "Rows", "What is wrong"]]
