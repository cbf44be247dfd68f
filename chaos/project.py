"""A copy of the project with an environment of its own, in which faults may be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from fargate_batch.environment import Environment, find_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fargate_batch.catalogue import Dispatch

PROJECT: Final = Path(__file__).parents[1]
ENVIRONMENT: Final = "chaos"
_NOT_SOURCES: Final = (
    ".git", ".venv", ".local", ".cache", ".hypothesis", "*_cache", "__pycache__", "reports"
)  # fmt: skip
_BIN: Final = Path(sys.executable).parent

# Small shards make a fan-in of a small file; few scenarios make it quick.
STAGE_VARIABLES: Final = {"SHARD_ROWS": "32", "MC_SCENARIOS": "25"}
_EVERY_STAGE: Final = "POLARS_MAX_THREADS:"


class CommandError(Exception):
    """One of the project's commands failed; the message is what it printed."""


@dataclass(frozen=True)
class Copy:
    """The copied project, and the AWS that its commands speak to."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *command: str, accept: tuple[int, ...] = (0,)) -> str:
        """Run one of the project's commands; return what it printed to standard output.

        Raises:
            CommandError: its exit code is not among those to accept.
        """
        done = subprocess.run(
            [str(_BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in accept:
            raise CommandError(
                f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that is going to be interrupted, in a process group of its own."""
        return subprocess.Popen(
            [str(_BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def launch(self) -> None:
        """Launch the environment, as a user does.

        Raises:
            CommandError: it fails.
        """
        self.run("sceptre", "launch", ENVIRONMENT, "--yes")

    def delete(self) -> None:
        """Delete the environment, as a user does.

        Raises:
            CommandError: it fails.
        """
        self.run("sceptre", "delete", ENVIRONMENT, "--yes")

    def find(self) -> Environment:
        """Return the launched environment."""
        return find_environment(self.folder, ENVIRONMENT)

    def change(self, **changes: Any) -> None:
        """Change settings of the environment; a nested setting's name has `__` for each dot."""
        path = self.folder / "config" / ENVIRONMENT / "config.yaml"
        config = yaml.safe_load(path.read_text())
        for name, value in changes.items():
            *parents, last = name.split("__")
            place = config["sceptre_user_data"]
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def dispatch(self, dispatch: Dispatch, *stages: str) -> None:
        """Say how these stages, or all of them, get their work; the next launch makes it so."""
        path = self.folder / "config" / ENVIRONMENT / "config.yaml"
        config = yaml.safe_load(path.read_text())
        settings = config["sceptre_user_data"]["stage_settings"]
        for name in stages or settings:
            settings[name]["dispatch"] = dispatch.value
        path.write_text(yaml.safe_dump(config, sort_keys=False))


def copy_project(folder: Path, variables: Mapping[str, str]) -> Copy:
    """Copy the project; its environment `chaos` is dev with a frequent reconcile.

    Args:
        folder: which does not exist yet.
        variables: those that point AWS clients at the AWS to use.
    """
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    shutil.copytree(folder / "config" / "dev", folder / "config" / ENVIRONMENT)
    shared = folder / "config" / "config.yaml"
    more = ", ".join(f'{name}: "{value}"' for name, value in STAGE_VARIABLES.items())
    shared.write_text(shared.read_text().replace(_EVERY_STAGE, f"{more}, {_EVERY_STAGE}"))
    copy = Copy(folder, variables)
    copy.change(reconcile__every_minutes=5)
    return copy
