"""Reads a Dockerfile as far as it can be followed without running anything."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]
from dockerfile_parse.constants import COMMENT_INSTRUCTION  # type: ignore[import-untyped]
from dockerfile_parse.util import WordSplitter, extract_key_values  # type: ignore[import-untyped]

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Added:
    """One ADD or COPY."""

    source: str
    destination: str
    unpacks: bool
    """ADD unpacks archives, COPY does not."""


@dataclass
class Recipe:
    """What a Dockerfile asks for."""

    base: str = ""
    added: list[Added] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    user: str | None = None
    workdir: str | None = None
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    prepares: bool = False
    """Whether it runs `PREPARE`."""
    compiles: bool = False
    """Whether it runs `COMPILE`."""


COMPILE: Final = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
"""With a folder behind it: makes Python's bytecode."""
PREPARE: Final = ["python3", "-m", "batchkit.prepare"]
"""Makes what the stage can make only by running; see images/common/batchkit/prepare.py."""

# What a value may not hold, because the words below are substituted without it.
_CONDITIONAL: Final = re.compile(r"\$\{\w+:?[-+?]")


def interpret(path: Path, arguments: Mapping[str, str]) -> Recipe:
    """Follow a Dockerfile with these build arguments.

    Raises:
        UserError: it holds something that only an engine can do; the message names file and line.
    """
    parser = DockerfileParser(fileobj=io.BytesIO(path.read_bytes()), env_replace=False)
    reader = _Reader(path, arguments)
    for instruction in parser.structure:
        if instruction["instruction"] != COMMENT_INSTRUCTION:
            reader.follow(instruction)
    if not reader.recipe.base:
        raise UserError(f"{path} has no FROM.")
    return reader.recipe


class _Variables(dict[str, str]):
    """What may be substituted; anything else that a splitter asks for is refused.

    By itself it puts nothing there, where Docker puts what the base image sets.
    """

    def __init__(self, refuse: Callable[[str], NoReturn], known: Mapping[str, str]) -> None:
        super().__init__(known)
        self._refuse = refuse

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self._refuse(str(name))
        return True


class _Reader:
    def __init__(self, path: Path, arguments: Mapping[str, str]) -> None:
        self.recipe = Recipe()
        self._path = path
        self._given = arguments
        self._declared: dict[str, str] = {}
        self._line = 0

    def follow(self, instruction: Mapping[str, Any]) -> None:
        self._line = instruction["startline"] + 1
        name, value = instruction["instruction"], instruction["value"]
        if _CONDITIONAL.search(value):
            self._refuse(f"'{value}' uses a conditional substitution")
        steps = {
            "ARG": self._argument,
            "FROM": self._from,
            "ADD": lambda value: self._add(value, unpacks=True),
            "COPY": lambda value: self._add(value, unpacks=False),
            "ENV": lambda value: self.recipe.environment.update(self._pairs(value)),
            "LABEL": lambda value: self.recipe.labels.update(self._pairs(value)),
            "USER": self._user,
            "WORKDIR": self._workdir,
            "VOLUME": self._volumes,
            "ENTRYPOINT": self._entrypoint,
            "CMD": self._cmd,
            "RUN": self._run,
        }
        if name not in steps:
            self._refuse(f"{name} is not understood")
        steps[name](value)

    def _argument(self, value: str) -> None:
        for word in self._words(value):
            name, has_default, default = word.partition("=")
            if name in self._given or has_default:
                self._declared[name] = self._given.get(name, default)

    def _from(self, value: str) -> None:
        if self.recipe.base:
            self._refuse("it builds in several stages")
        words = self._words(value)
        if len(words) != 1 or words[0].startswith("--"):
            self._refuse(f"FROM {value} is more than a base image")
        self.recipe.base = words[0]
        # As in Docker: what is declared before FROM does not hold after it.
        self._declared = {}

    def _add(self, value: str, *, unpacks: bool) -> None:
        words = self._words(value)
        if len(words) != 2 or words[0].startswith("--") or "://" in words[0]:
            self._refuse(f"'{value}' is not one source and one destination")
        self.recipe.added.append(Added(words[0], self._absolute(words[1]), unpacks))

    def _user(self, value: str) -> None:
        self.recipe.user = self._text(value)

    def _workdir(self, value: str) -> None:
        self.recipe.workdir = self._absolute(self._text(value))

    def _volumes(self, value: str) -> None:
        self.recipe.volumes += self._words(value)

    def _entrypoint(self, value: str) -> None:
        self.recipe.entrypoint = self._command("ENTRYPOINT", value)
        # As in Docker: a new entry point forgets the base's command.
        self.recipe.command = []

    def _cmd(self, value: str) -> None:
        self.recipe.command = self._command("CMD", value)

    def _run(self, value: str) -> None:
        # What these make only saves time, so it can be made in another way or not at all.
        words = self._list(value)
        if words == PREPARE:
            self.recipe.prepares = True
        elif words and words[:-1] == COMPILE:
            self.recipe.compiles = True
        else:
            self._refuse(f"RUN {value} needs a running container")

    def _absolute(self, path: str) -> str:
        if not path.startswith("/"):
            self._refuse(f"{path} is not an absolute path")
        return path

    def _command(self, name: str, value: str) -> list[str]:
        words = self._list(value)
        if words is None:
            self._refuse(f'{name} {value} is in shell form; write it as ["word", "word"]')
        return words

    def _list(self, value: str) -> list[str] | None:
        if not value.lstrip().startswith("["):
            return None
        try:
            words = json.loads(value)
        except json.JSONDecodeError:
            self._refuse(f"{value} is no JSON list")
        return [str(word) for word in words]

    def _pairs(self, value: str) -> dict[str, str]:
        return dict(extract_key_values(True, {}, self._variables(), value))

    def _words(self, value: str) -> list[str]:
        listed = self._list(value)
        if listed is not None:
            return [self._text(word) for word in listed]
        return list(self._splitter(value).split())

    def _text(self, value: str) -> str:
        return str(self._splitter(value).dequote())

    def _splitter(self, value: str) -> WordSplitter:
        return WordSplitter(value, args={}, envs=self._variables())

    def _variables(self) -> _Variables:
        return _Variables(self._refuse_variable, self._declared | self.recipe.environment)

    def _refuse_variable(self, name: str) -> NoReturn:
        self._refuse(
            f"no ARG or ENV above sets ${name}, and what the base image sets is not known",
            "write its value instead",
        )

    def _refuse(self, reason: str, change: str = "change the Dockerfile") -> NoReturn:
        raise UserError(
            f"{self._path}:{self._line}: {reason}; without an engine that cannot be followed. "
            f"Start Docker or Podman, or {change}."
        )
