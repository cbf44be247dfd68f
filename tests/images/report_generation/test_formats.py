from __future__ import annotations

import pytest
from report_generation import formats
from report_generation.formats import Kind


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.2, "0"), (1234567.8, "1,234,568"), (-12.5, "\N{MINUS SIGN}12")],
)
def test_amounts(value: float, text: str) -> None:
    assert formats.amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9.994, "9.99"),
        (99.95, "100"),
        (1234567.8, "1.23 M"),
        (-45_600, "\N{MINUS SIGN}45.6 k"),
        (999_600, "1.00 M"),
        (7.8e9, "7.80 B"),
        (1.5e12, "1.50 T"),
        (2.5e18, "2,500,000 T"),
        (-0.001, "0"),
        (1e-7, "0"),
        (-0.01, "\N{MINUS SIGN}0.01"),
    ],
)
def test_compact_amounts(value: float, text: str) -> None:
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-5e6, "\N{MINUS SIGN}5 M"), (2.5e3, "2.5 k"), (200.0, "200")]
)
def test_axis_labels(value: float, text: str) -> None:
    assert formats.axis(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, Kind.MONEY, ""),
        ("=1+1", Kind.TEXT, "=1+1"),
        (0.975, Kind.LEVEL, "97.5%"),
        (0.9999999, Kind.LEVEL, "99.99999%"),
        (0.46147, Kind.STATISTIC, "0.4615"),
        (1234.56, Kind.DECIMAL, "1,234.6"),
    ],
)
def test_cells(value: object, kind: Kind, text: str) -> None:
    assert formats.shown(value, kind) == text


def test_tenors_are_sorted_by_their_length() -> None:
    tenors = ["10Y", "1M", "2Y", "18M", "1W", None, "30Y", "1Y"]
    assert sorted(tenors, key=formats.tenor_order) == [
        None, "1W", "1M", "1Y", "18M", "2Y", "10Y", "30Y",
    ]  # fmt: skip
