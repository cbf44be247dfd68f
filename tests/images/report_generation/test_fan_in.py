from __future__ import annotations

import random

import pytest
from batchkit.errors import ObjectConflictError, Rejected
from report_generation.fan_in import Figures, added

from tests.images.report_generation.conftest import Row, figures_file, pnl_rows

FIRST = figures_file(
    [
        *pnl_rows("A", [0.1, -1e16]),
        ("A", "PV", None, None, None, 5.0),
        ("A", "EQ_DELTA", "X", None, None, 7.0),
        ("A", "GIRR_DELTA", "USD-OIS", "1Y", None, -3.0),
        ("A", "GIRR_DELTA", "USD-OIS", "2Y", None, -4.0),
        ("A", "THETA", None, None, None, -1.0),
    ],
    "h",
)
SECOND = figures_file(
    [
        *pnl_rows("B", [1.0, 2.0]),
        *pnl_rows("A", [0.2, 1.0]),
        ("A", "PV", None, None, None, 6.0),
        ("A", "GIRR_DELTA", "USD-OIS", "2Y", None, -0.5),
        ("A", "THETA", None, None, None, -2.0),
        ("B", "FX_DELTA", "EURUSD", None, None, 8.0),
        ("B", "PV", None, None, None, 1.0),
    ],
    "h",
)


def figures(*files: bytes, scenarios: int = 2, books: str = "AB") -> Figures:
    manifest = {
        "scenarios": {"sha256": "h", "count": scenarios},
        "books": {book: {"rows": 1} for book in books},
    }
    return added(files, manifest)


def test_shards_add_up_by_book_and_a_book_may_lack_in_one() -> None:
    found = figures(FIRST, SECOND)
    assert found.losses == {"A": [-(0.1 + 0.2), 1e16 - 1.0], "B": [-1.0, -2.0]}
    assert list(found.losses) == ["A", "B"]
    assert found.present_values == {"A": 11.0, "B": 1.0}
    assert found.rows == 7 + 9


def test_sensitivities_add_up_by_factor_and_tenor() -> None:
    assert figures(FIRST, SECOND).sensitivities.rows() == [
        ("EQ_DELTA", "A", "X", None, 7.0),
        ("FX_DELTA", "B", "EURUSD", None, 8.0),
        ("GIRR_DELTA", "A", "USD-OIS", "1Y", -3.0),
        ("GIRR_DELTA", "A", "USD-OIS", "2Y", -4.5),
        ("THETA", "A", None, None, -3.0),
    ]


def test_shards_are_added_in_their_order_to_the_last_bit() -> None:
    source = random.Random(3)  # noqa: S311 - no secret
    shards = [[source.gauss(0, 10.0 ** (number % 12)) for _ in range(50)] for number in range(40)]
    files = []
    for values in shards:
        rows: list[Row] = [*pnl_rows("A", values), ("A", "PV", None, None, None, values[0])]
        files.append(figures_file(rows, "h"))
    expected = shards[0]
    for values in shards[1:]:
        expected = [total + value for total, value in zip(expected, values, strict=True)]
    found = [figures(*files, scenarios=50, books="A") for _ in range(3)]
    for one in found:
        assert one.losses == {"A": [-value for value in expected]}
        assert one.present_values == {"A": expected[0]}
        assert one.sums.equals(found[0].sums)


def test_figures_of_another_scenario_set_are_not_added() -> None:
    other = figures_file([("A", "PV", None, None, None, 1.0)], "other")
    with pytest.raises(ObjectConflictError, match="scenario set other, and the run's is h"):
        figures(FIRST, other)


@pytest.mark.parametrize("numbers", [[0], [0, 1, 2], [0, 2], [0, 0]])
def test_a_book_without_one_figure_for_every_scenario_is_noticed(numbers: list[int]) -> None:
    rows: list[Row] = [("A", "PNL", None, None, number, 1.0) for number in numbers]
    with pytest.raises(ObjectConflictError, match="Book A of a shard has"):
        figures(FIRST, figures_file(rows, "h"))


@pytest.mark.parametrize(("books", "named"), [("ABC", "C"), ("A", "B")])
def test_a_book_that_only_manifest_or_figures_have_is_noticed(books: str, named: str) -> None:
    with pytest.raises(ObjectConflictError, match=rf"do not agree on the books: \['{named}'\]"):
        figures(FIRST, SECOND, books=books)


def test_a_sum_beyond_the_largest_number_rejects_the_run() -> None:
    huge = figures_file(pnl_rows("A", [1.7e308, 0.0]), "h")
    with pytest.raises(Rejected, match="Are the quantities right"):
        figures(huge, huge, books="A")
