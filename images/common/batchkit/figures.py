"""The figures that a shard adds to its run: one table, whose sums over shards are the run's.

Columns: book, measure, factor_id (null where a measure has none), scenario (null but for P&L) and
value, a decimal with 21 places. Decimals add up to the same sum in any order and in any grouping,
so one shard or many, the run's figures are the same to the last bit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

KEY_COLUMNS: Final = ("book", "measure", "factor_id", "scenario")
VALUE_COLUMN: Final = "value"

PRECISION: Final = 38
"""Digits of a value."""
SCALE: Final = 21
"""Digits of a value after the point; so values reach 10^17."""

SCENARIO_HASH: Final = "scenario_sha256"
"""In a figures file's own metadata: the hash of the scenario set that it was made with."""


class Measure(StrEnum):
    """What a value says. All are in the base currency."""

    PRESENT_VALUE = "PV"
    PNL = "PNL"
    """Profit (above 0) or loss in one scenario."""
    EQ_DELTA = "EQ_DELTA"
    """The change of value when an equity's price rises, per 100%: its market value if linear."""
    FX_DELTA = "FX_DELTA"
    """The change of value when a currency rises against the base currency, per 100%."""
