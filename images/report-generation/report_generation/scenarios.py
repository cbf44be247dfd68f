"""The blocks of a run's scenario set, as its manifest lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from batchkit.domain import BlockKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = TypeVar("Value")


@dataclass(frozen=True)
class Block:
    """Scenarios of one kind, which follow one another in every P&L vector."""

    kind: BlockKind
    start: int
    count: int
    labels: Sequence[str]
    """A name for every scenario: a date, a number or what users call it."""
    description: Mapping[str, Any]
    """What the manifest says of it, without its lists of dates."""

    def of(self, values: Sequence[Value]) -> Sequence[Value]:
        """Return this block's part of a vector over all scenarios."""
        return values[self.start : self.start + self.count]


@dataclass(frozen=True)
class Blocks:
    """The kinds that a report knows; each is looked at on its own."""

    historical: Block
    monte_carlo: Block | None
    stress: Block | None

    @property
    def all(self) -> list[Block]:
        """Those that there are, in their order."""
        every = (self.historical, self.monte_carlo, self.stress)
        return [block for block in every if block]


def blocks(manifest: Mapping[str, Any]) -> Blocks:
    """Read the blocks of a manifest."""
    found = {block.kind: block for block in map(_block, manifest["scenarios"]["blocks"])}
    return Blocks(
        found[BlockKind.HISTORICAL],
        found.get(BlockKind.MONTE_CARLO),
        found.get(BlockKind.STRESS),
    )


def _block(row: Mapping[str, Any]) -> Block:
    count = row["count"]
    labels = (
        row.get("dates") or row.get("names") or [f"No. {number + 1}" for number in range(count)]
    )
    description = {name: value for name, value in row.items() if name != "dates"}
    if "dates" in row:
        description |= {"first": min(row["dates"]), "last": max(row["dates"])}
    return Block(BlockKind(row["kind"]), row["start"], count, labels, description)
