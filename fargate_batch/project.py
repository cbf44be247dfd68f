"""The project's configuration as Sceptre itself reads it, without touching AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sceptre.config.reader import ConfigReader
from sceptre.context import SceptreContext

from fargate_batch import settings as settings_module
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from sceptre.stack import Stack

    from fargate_batch.settings import Settings


def find_project() -> Path:
    """The project's root: the working directory or the nearest folder above it with a config/.

    Raises:
        UserError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "config" / "config.yaml").is_file():
            return folder
    raise UserError(
        f"There is no config/config.yaml in {here} or above it; change into the project's folder."
    )


def environments(project: Path) -> list[str]:
    """The names of the environments that config/ holds."""
    return sorted(path.parent.name for path in (project / "config").glob("*/config.yaml"))


def read_stacks(project: Path, environment: str) -> set[Stack]:
    """The environment's stacks.

    Raises:
        UserError: config/ has no such environment, or one of its files cannot be read.
    """
    if environment not in environments(project):
        known = ", ".join(environments(project))
        raise UserError(f"There is no environment '{environment}' in config/; it has {known}.")
    reader = ConfigReader(SceptreContext(str(project), environment))
    stacks, _ = reader.construct_stacks()
    return {stack for stack in stacks if stack.name.startswith(f"{environment}/")}


def settings_of(stacks: set[Stack]) -> Settings:
    """The environment's settings, checked; its stacks all have the same.

    Raises:
        UserError: a setting is missing or out of range.
    """
    return settings_module.load(next(iter(stacks)).sceptre_user_data)


def read_settings(project: Path, environment: str) -> Settings:
    """The environment's settings, checked.

    Raises:
        UserError: there is no such environment, or a setting is missing or out of range.
    """
    return settings_of(read_stacks(project, environment))


def stack_levels(stacks: set[Stack]) -> dict[str, int]:
    """For each stack's name the level that it is launched in; the first is 1."""
    levels: dict[str, int] = {}

    def level(stack: Stack) -> int:
        if stack.name not in levels:
            levels[stack.name] = 1 + max(map(level, stack.dependencies), default=0)
        return levels[stack.name]

    for stack in stacks:
        level(stack)
    return levels
