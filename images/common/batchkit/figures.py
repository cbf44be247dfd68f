"""The figures that a shard adds to its run: one long table, whose sums over shards are the run's.

Columns: book, measure, factor_id (null where a measure has none), tenor (null but for curves'
points), scenario (Int32, null but for P&L) and value (Float64), sorted by `SORT_COLUMNS`. Inside a
shard every value is a compensated sum; over shards the values are added in the manifest's order, so
that the same shards give the same bits. The same positions in other shards give the same figures to
1e-12 of the gross amounts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

KEY_COLUMNS: Final = ("book", "measure", "factor_id", "tenor", "scenario")
SORT_COLUMNS: Final = ("measure", "book", "factor_id", "tenor", "scenario")
VALUE_COLUMN: Final = "value"

SCENARIO_HASH: Final = "scenario_sha256"
"""In a figures file's own metadata: the hash of the scenario set that it was made with."""


class Measure(StrEnum):
    """What a value says. All are in the base currency.

    Sensitivities follow the definitions of the Basel Committee's MAR21 where it has one; a factor
    that nothing in a book depends on has no row there.
    """

    PRESENT_VALUE = "PV"
    PNL = "PNL"
    """Profit (above 0) or loss in one scenario."""
    EQ_DELTA = "EQ_DELTA"
    """By equity: spot·dV/dS, the change of value per 100% of its price (MAR21.21)."""
    EQ_GAMMA = "EQ_GAMMA"
    """By equity: spot²·d²V/dS²."""
    EQ_VEGA = "EQ_VEGA"
    """By equity: vega (dV per 1 of volatility) times the implied volatility (MAR21.25)."""
    FX_DELTA = "FX_DELTA"
    """By pair <currency><base>: the change of value per 100% of the currency (MAR21.24)."""
    GIRR_DELTA = "GIRR_DELTA"
    """By curve and tenor: the change of value when that zero rate alone rises by 1 bp, divided by
    0.0001 (MAR21.19)."""
    DV01 = "DV01"
    """By curve: the change of value when all of its zero rates rise by 1 bp."""
    THETA = "THETA"
    """The change of value when one calendar day passes and nothing else changes."""
