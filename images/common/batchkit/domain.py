"""What the stages must agree on: products, factors, tenors, and where scenarios come from."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

CURRENCY_CODE: Final = re.compile("[A-Z]{3}")
"""ISO 4217."""
DISCOUNT: Final = "-OIS"
"""After a currency: the curve that discounts its money."""
DIVIDEND: Final = "-DIV"
"""After an equity: its dividend yield, a RATE that nothing is discounted on."""
TENOR: Final = "[1-9][0-9]{0,3}[DWMY]"
"""A regular expression for what stands at a curve's points: 1W, 6M, 10Y."""
YEAR: Final = 4380
"""In twelfths of a day, a year having 365 of them: in these a month is a whole number too."""
_UNITS: Final = {"D": 12, "W": 84, "M": 365, "Y": YEAR}


class Product(StrEnum):
    """What a position is of."""

    EQUITY = "EQUITY"
    EQOPT = "EQOPT"
    BOND = "BOND"
    FXFWD = "FXFWD"


class BlockKind(StrEnum):
    """Where the scenarios of a block come from."""

    HISTORICAL = "historical"
    MONTE_CARLO = "monte-carlo"
    STRESS = "stress"


def tenor_length(tenor: str) -> int:
    """Return how long a tenor is, in twelfths of a day.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(TENOR, tenor):
        raise ValueError(f"{tenor!r} is not a number followed by D, W, M or Y.")
    return int(tenor[:-1]) * _UNITS[tenor[-1]]
