"""A task's environment, read once and typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchkit.errors import BadEnvironmentError
from batchkit.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping


_STAGE_NEEDS: Final = (
    Variable.STAGE,
    Variable.ENVIRONMENT,
    Variable.INPUT_BUCKET,
    Variable.OUTPUT_BUCKET,
    Variable.LEDGER_TABLE,
    Variable.QUEUE_URL,
    Variable.DEAD_LETTER_QUEUE_URL,
)


@dataclass(frozen=True)
class TaskEnvironment:
    """Where a task is; the templates write it, see `Variable`."""

    stage: str
    environment: str
    region: str
    input_bucket: str
    output_bucket: str
    ledger_table: str
    queue_url: str
    dead_letter_queue_url: str
    options: Mapping[str, str]
    """The whole environment, for the stage's own options."""


def read(variables: Mapping[str, str]) -> TaskEnvironment:
    """Read the environment of a task.

    Raises:
        BadEnvironmentError: names every variable that is missing.
    """
    region = check(variables, *_STAGE_NEEDS)
    return TaskEnvironment(
        stage=variables[Variable.STAGE],
        environment=variables[Variable.ENVIRONMENT],
        region=region,
        input_bucket=variables[Variable.INPUT_BUCKET],
        output_bucket=variables[Variable.OUTPUT_BUCKET],
        ledger_table=variables[Variable.LEDGER_TABLE],
        queue_url=variables[Variable.QUEUE_URL],
        dead_letter_queue_url=variables[Variable.DEAD_LETTER_QUEUE_URL],
        options=variables,
    )


def check(variables: Mapping[str, str], *needed: Variable) -> str:
    """Return the region, where all that is needed is set.

    Raises:
        BadEnvironmentError: names every variable that is missing.
    """
    missing: list[str] = [name for name in needed if not variables.get(name)]
    # Fargate sets AWS_REGION, which boto3 does not look at; it reads AWS_DEFAULT_REGION.
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
    if not region:
        missing.append("AWS_REGION")
    if missing or region is None:
        raise BadEnvironmentError(
            f"Environment variables not set: {', '.join(missing)}. The task definition gives them."
        )
    return region


def whole_number(
    options: Mapping[str, str], name: str, *, default: int, low: int, high: int
) -> int:
    """Read a variable as a whole number.

    Raises:
        BadEnvironmentError: it is no whole number or outside [low, high].
    """
    value = float(number(options, name, default=default, low=low, high=high))
    if not value.is_integer():
        raise BadEnvironmentError(f"{name} is {options[name]!r}; it must be a whole number.")
    return int(value)


def number(
    options: Mapping[str, str], name: str, *, low: float, high: float, default: float | None = None
) -> float:
    """Read a variable as a number.

    Raises:
        BadEnvironmentError: it is no number or outside [low, high], or not set without a default.
    """
    text = options.get(name, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadEnvironmentError(f"{name} is {text!r}; it must be a number from {low} to {high}.")
    return value
