from __future__ import annotations

from decimal import Decimal

import pytest
from batchkit.errors import BadEnvironmentError
from report_generation import options


def test_what_is_not_set_has_a_default() -> None:
    assert options.read({}) == options.Options(
        levels=(Decimal("0.95"), Decimal("0.975"), Decimal("0.99")), horizons=(1, 10), window=250
    )


def test_options_are_read_in_any_order_and_once_each() -> None:
    found = options.read(
        {"VAR_LEVELS": "0.99, 0.9,0.99", "VAR_HORIZONS": "10, 5,5", "BACKTEST_WINDOW": "500"}
    )
    assert found == options.Options((Decimal("0.9"), Decimal("0.99")), (5, 10), 500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAR_LEVELS", "99"),
        ("VAR_LEVELS", "high"),
        ("VAR_LEVELS", "nan"),
        ("VAR_LEVELS", "0.99,1"),
        ("VAR_HORIZONS", "0"),
        ("VAR_HORIZONS", "1.5"),
        ("VAR_HORIZONS", "1,,10"),
        ("VAR_HORIZONS", "10000"),
        ("BACKTEST_WINDOW", "5"),
        ("BACKTEST_WINDOW", "250.9"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: str) -> None:
    with pytest.raises(BadEnvironmentError, match=name):
        options.read({name: value})
