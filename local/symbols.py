"""The private names of MiniStack that this package builds on, and the check that they are there.

MiniStack is pinned exactly, because an extension of a private function is only right for the
function that it was written for. The check says so at start, before anything behaves strangely.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MINISTACK_VERSION: Final = "1.5.33"


class IncompatibleMiniStackError(Exception):
    """The installed MiniStack is not the one that the extensions were written for."""


@dataclass(frozen=True)
class Symbol:
    """A function or a piece of data in a MiniStack module."""

    module: str
    """Below `ministack`, e.g. services.ecs."""
    name: str
    parameters: tuple[str, ...] | None = None
    """The names of a function's parameters, in order; None for data."""

    def __str__(self) -> str:
        """The name that a person would import."""
        return f"ministack.{self.module}.{self.name}"

    def get(self) -> Any:
        """Return what the name stands for now."""
        return getattr(importlib.import_module(f"ministack.{self.module}"), self.name)

    def set(self, value: object) -> None:
        """Make the name stand for something else."""
        setattr(importlib.import_module(f"ministack.{self.module}"), self.name, value)

    def wrap(self, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Replace the function by what `wrapper` makes of it."""
        self.set(wrapper(self.get()))

    def problem(self) -> str | None:
        """What is not as expected, or None."""
        try:
            found = self.get()
        except (ImportError, AttributeError):
            return f"{self} does not exist"
        if self.parameters is None:
            return None
        if not callable(found):
            return f"{self} is not a function"
        parameters = tuple(inspect.signature(found).parameters)
        if parameters != self.parameters:
            return f"{self} takes ({', '.join(parameters)}), not ({', '.join(self.parameters)})"
        return None


def check(symbols: Iterable[Symbol]) -> None:
    """Make sure that the installed MiniStack has every symbol as expected.

    Raises:
        IncompatibleMiniStackError: the version differs or a symbol is missing or changed; the
            message names each.
    """
    problems = []
    version = importlib.metadata.version("ministack")
    if version != MINISTACK_VERSION:
        problems.append(f"version {version} is installed, {MINISTACK_VERSION} is expected")
    problems += [problem for symbol in symbols if (problem := symbol.problem())]
    if problems:
        raise IncompatibleMiniStackError(
            "The local AWS extends MiniStack and does not know this one:\n  "
            + "\n  ".join(problems)
            + "\nInstall the version that requirements.txt pins."
        )
