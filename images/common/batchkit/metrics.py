"""Metrics as log lines, in CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of every line that is a JSON object with an `_aws` member:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
So they need no permission, no endpoint and no call, and a task that is killed loses none that it
has told. They are for alarms and dashboards: they may be counted twice, or once too little after a
lost answer, or after more log than CloudWatch took.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from batchkit.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMESPACE: Final = "fargate-batch"
_SECONDS_PER_HOUR: Final = 3600

_log: Final = logging.getLogger(__name__)


class Metric(StrEnum):
    """What is measured; a name means the same in alarms and on the dashboard."""

    RUNS_REPORTED = "RunsReported"
    RUNS_REJECTED = "RunsRejected"
    RUNS_DEAD_LETTERED = "RunsDeadLettered"
    ROWS_IN = "RowsIn"
    """Rows of the positions files that were read to their end."""
    TASK_SECONDS = "TaskSeconds"
    """How long a piece of work took, of each stage."""
    COST_USD = "CostUsd"
    """What that time of a task costs, without its start and its waiting."""
    OVERDUE_RUNS = "OverdueRuns"
    OLDEST_OPEN_RUN_SECONDS = "OldestOpenRunSeconds"


_UNITS: Final = {
    Metric.TASK_SECONDS: "Seconds",
    Metric.COST_USD: "None",
    Metric.OLDEST_OPEN_RUN_SECONDS: "Seconds",
}
_RUNS_IN: Final = {
    RunState.REPORTED: Metric.RUNS_REPORTED,
    RunState.REJECTED: Metric.RUNS_REJECTED,
    RunState.DEAD_LETTERED: Metric.RUNS_DEAD_LETTERED,
}


@dataclass(frozen=True)
class Metrics:
    """Tells the metrics of one task."""

    environment: str
    stage: str
    price_per_hour: float = 0.0
    """USD for the task; 0 where nobody pays."""
    clock: Callable[[], float] = field(default=time.time)

    def run_moved(self, state: RunState, values: Mapping[str, Any]) -> None:
        """Count a run that has come to an end, or the rows that it begins with."""
        if state in _RUNS_IN:
            self.tell({_RUNS_IN[state]: 1})
        elif state is RunState.CALCULATING and "rows_in" in values:
            self.tell({Metric.ROWS_IN: values["rows_in"]})

    def worked(self, seconds: float) -> None:
        """Tell how long a piece of work took and what that costs."""
        cost = seconds * self.price_per_hour / _SECONDS_PER_HOUR
        self.tell({Metric.TASK_SECONDS: seconds, Metric.COST_USD: cost}, by_stage=True)

    def tell(self, values: Mapping[Metric, float], *, by_stage: bool = False) -> None:
        """Write values as one line; with `by_stage` each is a metric of the stage's as well."""
        dimensions = [["Environment"], *([["Environment", "Stage"]] if by_stage else [])]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": dimensions,
            "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in values],
        }
        _log.info(
            "Measured %s.",
            ", ".join(values),
            extra={
                "_aws": {
                    "Timestamp": int(self.clock() * 1000),
                    "CloudWatchMetrics": [directive],
                },
                "Environment": self.environment,
                "Stage": self.stage,
                **{name.value: value for name, value in values.items()},
            },
        )
