"""The scenario set of a run: made once, from its market data, and shared by all of its shards.

Up to three blocks, in this order: the days of the history, a Monte Carlo simulation, and the named
stress scenarios. Nobody recomputes it: a run that has one already goes on with it.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from batchkit.domain import DISCOUNT, DIVIDEND, BlockKind
from batchkit.environment import number, whole_number
from batchkit.errors import BadEnvironmentError, ObjectConflictError, ObjectGoneError
from batchkit.runs import RunKeys

from data_ingestion import stress
from data_ingestion.historical import SHOCKS, history
from data_ingestion.monte_carlo import MonteCarlo, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchkit.stage import Context

    from data_ingestion.market_data import MarketData
    from data_ingestion.stress import Stress

_METADATA: Final = "scenarios"


@dataclass(frozen=True)
class Block:
    """Scenarios of one kind, which stand together."""

    kind: BlockKind
    count: int
    details: dict[str, Any]
    """What the manifest says of this kind: dates, names, or how they were simulated."""


@dataclass(frozen=True)
class ScenarioSet:
    """Scenarios, and today's value of every factor that they move."""

    base_currency: str
    blocks: list[Block]
    """Those that have scenarios, in the order in which the shocks stand."""
    factors: pl.DataFrame
    """factor_type, factor_id, tenor, value (today's), shocks (a list, one a scenario).

    Only factors with a complete history, a curve only when all of its tenors have one.
    """
    gaps: dict[tuple[str, str], int]
    """factor_type and factor_id of what cannot be used, with the dates on which it has no value."""

    @property
    def count(self) -> int:
        """The number of scenarios."""
        return sum(block.count for block in self.blocks)

    @property
    def equities(self) -> list[str]:
        """The equities with a complete history."""
        return self._ids("EQ")

    @property
    def volatilities(self) -> list[str]:
        """The equities whose volatility has a complete history."""
        return self._ids("VOL")

    @property
    def curves(self) -> list[str]:
        """The curves that money can be discounted on; a dividend yield is none."""
        return [name for name in self._ids("RATE") if not name.endswith(DIVIDEND)]

    @property
    def currencies(self) -> list[str]:
        """The currencies that can be turned into the base currency, itself included."""
        pairs = [name for name in self._ids("FX") if name.endswith(self.base_currency)]
        return [self.base_currency, *(name.removesuffix(self.base_currency) for name in pairs)]

    @property
    def discounted(self) -> list[str]:
        """The currencies with a discount curve `<currency>-OIS`."""
        names = [name for name in self.curves if name.endswith(DISCOUNT)]
        return [name.removesuffix(DISCOUNT) for name in names]

    @property
    def incomplete(self) -> dict[str, int]:
        """What cannot be used, as people call it, with the dates on which it has no value.

        An equity and its volatility share their id, so the latter is called `<id> volatility`;
        `incomplete_ids` has the ids alone.
        """
        return {
            f"{factor} volatility" if kind == "VOL" else factor: missing
            for (kind, factor), missing in self.gaps.items()
        }

    def incomplete_ids(self, factor_type: str) -> list[str]:
        """Return the factors of a type that have gaps, e.g. of RATE the curves and `ACME-DIV`."""
        return [factor for kind, factor in self.gaps if kind == factor_type]

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of the set, apart from its hash."""
        blocks = []
        start = 0
        for block in self.blocks:
            blocks.append(
                {"kind": block.kind, "start": start, "count": block.count, **block.details}
            )
            start += block.count
        return {"count": start, "blocks": blocks}

    def to_parquet(self) -> bytes:
        """Return the set as a Parquet file, the same bytes for the same set."""
        told = {
            "base_currency": self.base_currency,
            "blocks": self.describe()["blocks"],
            "gaps": [[*names, missing] for names, missing in self.gaps.items()],
        }
        buffer = io.BytesIO()
        self.factors.write_parquet(
            buffer, compression="zstd", metadata={_METADATA: json.dumps(told)}
        )
        return buffer.getvalue()

    def _ids(self, factor_type: str) -> list[str]:
        rows = self.factors.filter(pl.col("factor_type") == factor_type)
        return rows["factor_id"].unique().sort().to_list()


def from_parquet(content: bytes) -> ScenarioSet:
    """Return the set that `to_parquet` made these bytes of.

    Raises:
        KeyError: it did not.
    """
    told = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_METADATA])
    own = ("kind", "start", "count")
    return ScenarioSet(
        base_currency=told["base_currency"],
        blocks=[
            Block(
                BlockKind(block["kind"]),
                block["count"],
                {name: value for name, value in block.items() if name not in own},
            )
            for block in told["blocks"]
        ],
        factors=pl.read_parquet(io.BytesIO(content)),
        gaps={(kind, factor): missing for kind, factor, missing in told["gaps"]},
    )


def options(given: Mapping[str, str]) -> MonteCarlo:
    """Read what is simulated from a task's environment.

    MC_SCENARIOS (1000; 0 for none), MC_SEED (20260130), MC_WEIGHTING (ewma or equal; ewma) and
    MC_DECAY, the EWMA weights' decay a day (0.94).

    Raises:
        BadEnvironmentError: one of them is out of range.
    """
    weighting = given.get("MC_WEIGHTING") or "ewma"
    if weighting not in {"ewma", "equal"}:
        raise BadEnvironmentError(f"MC_WEIGHTING is {weighting!r}; it must be ewma or equal.")
    return MonteCarlo(
        scenarios=whole_number(given, "MC_SCENARIOS", default=1000, low=0, high=50_000),
        seed=whole_number(given, "MC_SEED", default=20260130, low=0, high=2**53),
        weighting="ewma" if weighting == "ewma" else "equal",
        decay=number(given, "MC_DECAY", default=0.94, low=0.5, high=1),
    )


def load_or_make(
    context: Context, market: MarketData, base_currency: str, chosen: MonteCarlo
) -> tuple[ScenarioSet, bytes]:
    """Return the run's scenario set and its Parquet file.

    An earlier attempt's set is used as it is, whatever today's code and settings would make: its
    shards may be at work already.

    Raises:
        Rejected: the market data makes no scenarios; the message says why.
        BadEnvironmentError: the stress scenarios' file is wrong.
        ObjectConflictError: the run's set is of another release.
    """
    key = RunKeys(context.run_id).scenarios
    try:
        content = context.storage.read_output(key)
    except ObjectGoneError:
        made = make(market, base_currency, chosen, stress.read())
        return made, made.to_parquet()
    try:
        return from_parquet(content), content
    except KeyError as error:
        raise ObjectConflictError(
            f"{key} was written by another release. Upload the positions again: that is a new run."
        ) from error


def make(
    market: MarketData, base_currency: str, simulation: MonteCarlo, stresses: list[Stress]
) -> ScenarioSet:
    """Make a scenario set of a day's market data.

    Raises:
        Rejected: there are fewer than 250 moves, or no factor is complete.
        BadEnvironmentError: a stress scenario cannot be applied in this base currency, or moves a
            factor by what is another kind's.
    """
    past = history(market)
    blocks = [Block(BlockKind.HISTORICAL, len(past.dates), {"dates": past.dates})]
    shocks = [past.factors[SHOCKS]]
    if simulation.scenarios:
        how = {
            "seed": simulation.seed,
            "weighting": simulation.weighting,
            "decay": simulation.decay,
        }
        blocks.append(Block(BlockKind.MONTE_CARLO, simulation.scenarios, how))
        shocks.append(simulate(past.factors, simulation))
    if stresses:
        names = [scenario.name for scenario in stresses]
        blocks.append(Block(BlockKind.STRESS, len(stresses), {"names": names}))
        shocks.append(stress.applied(past.factors, base_currency, stresses))
    return ScenarioSet(
        base_currency=base_currency,
        blocks=blocks,
        factors=past.factors.with_columns(pl.concat_list(shocks).alias(SHOCKS)),
        gaps=past.gaps,
    )


def sha256(content: bytes) -> str:
    """Return the hash by which manifest and shards name a scenario set."""
    return hashlib.sha256(content).hexdigest()
