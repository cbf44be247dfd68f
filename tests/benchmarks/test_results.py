from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks import results
from benchmarks.results import Figure

if TYPE_CHECKING:
    from pathlib import Path


def figure(measured: float, limit: float = 2.0, *, at_least: bool = False) -> Figure:
    return Figure("speed", "a peer", measured, limit, unit="x", at_least=at_least)


@pytest.mark.parametrize(
    ("measured", "at_least", "verdict"),
    [
        (1.9, False, "ok"),
        (2.0, False, "ok"),
        (2.1, False, "MISSED"),
        (1.9, True, "MISSED"),
        (2.0, True, "ok"),
        (math.nan, False, "MISSED"),
        (math.nan, True, "MISSED"),
    ],
)
def test_a_limit_is_kept_up_to_itself(
    measured: float,
    at_least: bool,  # noqa: FBT001 - a table's column
    verdict: str,
) -> None:
    assert figure(measured, at_least=at_least).verdict == verdict


def test_the_table_has_the_limit_and_the_verdict_beside_each_figure() -> None:
    console = Console(width=120)
    with console.capture() as printed:
        console.print(results.table([figure(0.4, 0.85, at_least=True), figure(1.0)]))
    rows = [line for line in printed.get().splitlines() if "speed" in line]
    assert "≥ 0.85 x" in rows[0]
    assert "MISSED" in rows[0]
    assert "≤ 2 x" in rows[1]
    assert "ok" in rows[1]


def test_small_numbers_are_shown_by_their_power() -> None:
    assert Figure("e", "x", 3.2e-13, 1e-10, unit="").shown == "3.2e-13"
    assert Figure("e", "x", 0.0, 0, unit="lines").shown == "0 lines"
    assert Figure("e", "x", 1234.56, 2000, unit="MB").shown == "1,234.6 MB"
    assert figure(0.8567).shown == "0.86 x"


def test_one_part_of_the_document_is_written_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    results.write("Workload", "first\n\n### Below\n\nmore", path)
    results.write("Platform", "platform", path)
    results.write("Workload", "second", path)
    text = path.read_text()
    assert "first" not in text
    assert "more" not in text
    assert text.index("## Platform\n\nplatform\n") < text.index("## Workload\n\nsecond\n")
    results.write("Workload", "second", path)
    assert path.read_text() == text


def test_a_part_says_what_measured_it_and_where() -> None:
    part = results.markdown([figure(1.0)], "make bench", "against")
    assert part.startswith("`make bench` on ")
    assert results.machine() in part
    assert "| speed | a peer | 1 x | ≤ 2 x | ok |" in part
