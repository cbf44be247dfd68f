"""What every command of `batch` has in common: its options, its exit codes, what it says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fargate_batch import project
from fargate_batch.environment import Environment, find_environment

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED: Final = 1
REJECTED: Final = 3
NO_PROGRESS: Final = 4
DEAD_LETTERED: Final = 5
EXIT_CODES: Final = (
    "Exit codes: 0 done, 1 an error, 2 wrong use, 3 the run was rejected, "
    "4 the run made no progress, 5 the run is dead-lettered."
)
PATH: Final = click.Path(path_type=Path, dir_okay=False)
FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class Options:
    """What every command may be told."""

    environment: str
    profile: str | None
    region: str | None
    json: bool

    def find(self) -> Environment:
        """The environment that the command is about.

        Raises:
            UserError: it cannot be found.
        """
        return find_environment(project.find_project(), self.environment, self.profile, self.region)


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that every command has; the innermost of its decorators."""

    @click.option("--environment", "-e", default="dev", show_default=True, help="Which one.")
    @click.option("--profile", help="AWS profile; the environment's config unless given.")
    @click.option("--region", help="AWS region; the environment's config unless given.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
    @wraps(command)
    def with_options(
        environment: str, profile: str | None, region: str | None, *, as_json: bool, **rest: Any
    ) -> None:
        command(Options(environment, profile, region, as_json), **rest)

    return with_options


timeout_option: Final = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=900,
    show_default=True,
    help="Give up when nothing moved for so many seconds.",
)
download_option: Final = click.option(
    "--download",
    type=FOLDER,
    help="Download the report and the refused rows into here.",
)


def say(options: Options, text: str) -> None:
    """Tell a person what happened; a script hears nothing."""
    if not options.json:
        click.echo(text)
