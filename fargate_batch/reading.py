"""How Sceptre reads a file of config/, and what it says of one that cannot be read.

Sceptre shows whatever is no error of its own as a traceback, and a file that is no YAML is such an
error. It offers no place to change that, but it imports a project's hooks before it reads the first
file. So the package `hooks` calls `explain_what_cannot_be_read`, which wraps the one method of
Sceptre's that reads a file; docs/decisions/unreadable-config.md says why.
"""

from __future__ import annotations

from functools import wraps
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from sceptre.config.reader import ConfigReader
from yaml import MarkedYAMLError
from yaml.constructor import ConstructorError

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from yaml import Mark

_METHOD: Final = "_render"


def explain_what_cannot_be_read() -> None:
    """Let every command of Sceptre's that reads config/ say in a line which file is wrong where."""
    sound = getattr(ConfigReader, _METHOD)

    @wraps(sound)
    def read(reader: Any, folder: str, name: str, above: dict[str, Any]) -> dict[str, Any] | None:
        file = PurePath("config", folder, name).as_posix()
        try:
            config: Any = sound(reader, folder, name, above)
        except ValueError as error:
            raise UserError(unreadable(file, error)) from error
        if config is not None and not isinstance(config, dict):
            raise UserError(
                f"{file}: must hold settings, each a `name: value`, not {config!r:.80}."
            )
        return config

    setattr(ConfigReader, _METHOD, read)


def unreadable(file: str, error: ValueError) -> str:
    """Say in which line a file cannot be read as YAML, and why."""
    # Sceptre raises its own error while it handles the parser's.
    cause = error.__context__
    if not isinstance(cause, MarkedYAMLError) or cause.problem_mark is None:
        return f"{file}: cannot be read as YAML: {cause or error}"
    mark, began = cause.problem_mark, cause.context_mark
    since = f", {cause.context} in line {began.line + 1}" if cause.context and began else ""
    return (
        f"{file}, line {mark.line + 1}, column {mark.column + 1}: cannot be read as YAML: "
        f"{cause.problem}{since}. {_way_out(cause, mark)}"
    )


def _way_out(cause: MarkedYAMLError, mark: Mark) -> str:
    lines = (mark.buffer or "").rstrip("\0").splitlines()
    found = lines[mark.line].strip() if mark.line < len(lines) else ""
    shown = f"The line is `{found}`" if found else "That is the file's end"
    if isinstance(cause, ConstructorError):
        return f"{shown}; correct it."
    # A parser notices a missing bracket or quote only where the next thing does not fit.
    return f"{shown}; look there and in the lines above for an indentation, a bracket, a quote."
