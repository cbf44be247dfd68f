"""A task's environment, read once and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchkit.errors import BadEnvironmentError
from batchkit.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TaskEnvironment:
    """Where a task is; the templates write it, see `Variable`."""

    stage: str
    environment: str
    region: str
    input_bucket: str
    output_bucket: str
    ledger_table: str
    queue_url: str | None
    """None when the task works single events only."""
    options: Mapping[str, str]
    """The whole environment, for the stage's own options."""


def read(variables: Mapping[str, str]) -> TaskEnvironment:
    """Read the environment of a task.

    Raises:
        BadEnvironmentError: names every variable that is missing.
    """
    required = (
        Variable.STAGE,
        Variable.ENVIRONMENT,
        Variable.INPUT_BUCKET,
        Variable.OUTPUT_BUCKET,
        Variable.LEDGER_TABLE,
    )
    missing: list[str] = [name for name in required if not variables.get(name)]
    # Fargate sets AWS_REGION, which boto3 does not look at; it reads AWS_DEFAULT_REGION.
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
    if not region:
        missing.append("AWS_REGION")
    if missing or region is None:
        raise BadEnvironmentError(
            f"Environment variables not set: {', '.join(missing)}. The task definition gives them."
        )
    return TaskEnvironment(
        stage=variables[Variable.STAGE],
        environment=variables[Variable.ENVIRONMENT],
        region=region,
        input_bucket=variables[Variable.INPUT_BUCKET],
        output_bucket=variables[Variable.OUTPUT_BUCKET],
        ledger_table=variables[Variable.LEDGER_TABLE],
        queue_url=variables.get(Variable.QUEUE_URL) or None,
        options=variables,
    )


def number(
    options: Mapping[str, str], name: str, *, default: float, low: float, high: float
) -> float:
    """Read one of a stage's own options as a number.

    Raises:
        BadEnvironmentError: it is no number or outside [low, high].
    """
    text = options.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadEnvironmentError(f"{name} is {text!r}; it must be a number from {low} to {high}.")
    return value
