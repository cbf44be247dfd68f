from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from report_generation import workbook

if TYPE_CHECKING:
    from decimal import Decimal

    import polars as pl


@pytest.fixture
def content(
    summary: dict[str, Any], losses: dict[str, list[Decimal]], sensitivities: pl.DataFrame
) -> bytes:
    floats = {book: [float(loss) for loss in own] for book, own in losses.items()}
    dates = [f"day {number}" for number in range(300)]
    first, again = (workbook.render(summary, floats, dates, sensitivities) for _ in range(2))
    assert first == again
    return first


def part(content: bytes, name: str) -> str:
    return zipfile.ZipFile(io.BytesIO(content)).read(f"xl/{name}").decode()


def test_it_has_the_reports_tables(content: bytes) -> None:
    names = re.findall(r'<sheet name="([^"]+)"', part(content, "workbook.xml"))
    assert names == ["Risk", "Books", "P&amp;L", "Sensitivities", "Refused rows", "Run"]


def test_its_numbers_are_numbers(content: bytes, summary: dict[str, Any]) -> None:
    risk = part(content, "worksheets/sheet1.xml")
    numbers = [float(value) for value in re.findall(r'<c r="B\d"[^>t]*><v>([^<]+)</v>', risk)]
    assert numbers == [row["var"] for row in summary["risk"]]
    assert "#,##0" in part(content, "styles.xml")


def test_what_users_wrote_is_no_formula(content: bytes) -> None:
    for number in range(1, 7):
        assert "<f>" not in part(content, f"worksheets/sheet{number}.xml")
    assert "=1+1" in part(content, "sharedStrings.xml")
