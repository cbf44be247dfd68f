"""Where a run may stand."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """Where a run stands."""

    INGESTING = "ingesting"
    CALCULATING = "calculating"
    REPORTING = "reporting"
    REPORTED = "reported"
    REJECTED = "rejected"
    DEAD_LETTERED = "dead-lettered"


FINAL_STATES: Final = frozenset({RunState.REPORTED, RunState.REJECTED})
"""A run in one of these stays in it, and no stage has anything left to do for it."""
TERMINAL_STATES: Final = FINAL_STATES | {RunState.DEAD_LETTERED}
"""A run in one of these moves no more unless an operator acts. The stages go on with what is left
of a dead-lettered run, for it may be redriven."""
