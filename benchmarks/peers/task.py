"""What every peer is given, and what it must leave."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

AS_OF: Final = date(2026, 1, 30)
BASE: Final = "USD"
SHARD_ROWS: Final = 1_000_000
GROUP_ROWS: Final = 250_000
TEXT: Final = ("position_id", "book", "counterparty", "product_type", "risk_factor", "currency",
               "option_type", "curve_id", "currency2")  # fmt: skip
DECIMALS: Final = ("quantity", "price", "strike", "implied_vol", "coupon")
DATES: Final = ("as_of", "maturity")
COLUMNS: Final = ("position_id", "as_of", "book", "counterparty", "product_type", "risk_factor",
                  "currency", "quantity", "price", "strike", "option_type", "implied_vol",
                  "maturity", "coupon", "coupon_frequency", "curve_id", "currency2")  # fmt: skip
REQUIRED: Final = (
    "position_id",
    "as_of",
    "book",
    "product_type",
    "risk_factor",
    "currency",
    "quantity",
)
PRODUCTS: Final = ("EQUITY", "EQOPT", "BOND", "FXFWD")
NEEDED_BY: Final = {
    "strike": ("EQOPT", "FXFWD"),
    "option_type": ("EQOPT",),
    "implied_vol": ("EQOPT",),
    "maturity": ("EQOPT", "BOND", "FXFWD"),
    "coupon": ("BOND",),
    "coupon_frequency": ("BOND",),
    "currency2": ("FXFWD",),
}
RANGES: Final = {"price": (-1e9, 1e9), "strike": (1e-9, 1e9), "implied_vol": (1e-6, 5.0)}
FREQUENCIES: Final = (0, 1, 2, 4, 12)
OPTION_TYPES: Final = ("C", "P", "CALL", "PUT")
MAX_TEXT: Final = 128
LATEST: Final = date(2126, 1, 30)
_BLOCK: Final = 8 << 20
_PRINTABLE: Final = bytes(code for code in (10, 13, *range(32, 127)) if code != ord('"'))
_BLANKS: Final = (b" ,", b" \r", b" \n", b", ", b"\n ")
"""Around a field."""


@dataclass(frozen=True)
class Known:
    """What the market data has: complete histories by type, and those with gaps."""

    complete: dict[str, list[str]]
    gappy: dict[str, list[str]]

    @classmethod
    def of(cls, market_data: Path) -> Self:
        """Read a market data file."""
        dates: dict[tuple[str, str], dict[str, set[str]]] = {}
        with market_data.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                tenors = dates.setdefault((row["factor_type"], row["factor_id"]), {})
                tenors.setdefault(row["tenor"], set()).add(row["date"])
        every = {day for tenors in dates.values() for days in tenors.values() for day in days}
        complete: dict[str, list[str]] = {kind: [] for kind in ("EQ", "FX", "RATE", "VOL")}
        gappy: dict[str, list[str]] = {kind: [] for kind in complete}
        for (kind, name), tenors in sorted(dates.items()):
            whole = all(days == every for days in tenors.values())
            (complete if whole else gappy)[kind].append(name)
        return cls(complete, gappy)

    @property
    def currencies(self) -> list[str]:
        """Those with a price in the base currency."""
        pairs = self.complete["FX"]
        return [BASE, *(pair.removesuffix(BASE) for pair in pairs if pair.endswith(BASE))]

    @property
    def undiscounted(self) -> list[str]:
        """Those of them that have no discount curve at all."""
        curves = {*self.complete["RATE"], *self.gappy["RATE"]}
        return [name for name in self.currencies if f"{name}-OIS" not in curves]

    @property
    def curves(self) -> list[str]:
        """Whatever a bond may be discounted on, with a complete history or not."""
        complete = [name for name in self.complete["RATE"] if not name.endswith("-DIV")]
        return [*complete, *self.gappy["RATE"]]

    @property
    def equities(self) -> list[str]:
        """With a complete history or not."""
        return [*self.complete["EQ"], *self.gappy["EQ"]]

    @property
    def without_volatility(self) -> list[str]:
        """Equities that have none at all."""
        return sorted({*self.equities} - {*self.complete["VOL"], *self.gappy["VOL"]})

    def gappy_with(self, suffix: str) -> list[str]:
        """What stands before a suffix in the names of curves with gaps."""
        names = self.gappy["RATE"]
        return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]


def is_plain(path: Path) -> bool:
    """Whether a file is printable ASCII without quotes or blanks around its fields.

    What is plain needs no rule that looks for bytes, and nothing is to be stripped.
    """
    last = b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            block = last + block
            if (
                block.translate(None, _PRINTABLE)
                or any(blank in block for blank in _BLANKS)
                or block.count(b"\r") != block.count(b"\r\n")
            ):
                return False
            last = block[-1:]
    return True


def require_plain(*, plain: bool) -> None:
    """Raise for what only the stage and the pandas peer can read.

    Raises:
        ValueError: the file is not plain.
    """
    if not plain:
        raise ValueError("It has quotes, blanks around fields, or is not printable ASCII.")
