"""Every template as Sceptre itself renders it, offline and once a test session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fargate_batch import project
from fargate_batch.names import StackPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from sceptre.stack import Stack

    from fargate_batch.settings import Settings

PROJECT = Path(__file__).parents[2]
ENVIRONMENTS = project.environments(PROJECT)


@dataclass(frozen=True)
class Rendered:
    """One stack's template in one environment."""

    environment: str
    path: StackPath
    body: str
    template: dict[str, Any]

    def properties(self, logical_id: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.template["Resources"][logical_id].get("Properties", {})
        return properties

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type, by logical id."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    @property
    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = self.template.get("Outputs", {})
        return outputs


class Render(Protocol):
    def __call__(self, environment: str, path: StackPath) -> Rendered: ...


@cache
def stacks_of(environment: str) -> dict[str, Stack]:
    return {stack.name: stack for stack in project.read_stacks(PROJECT, environment)}


def template_of(stack: Stack) -> Rendered:
    environment, path = stack.name.split("/", maxsplit=1)
    body = stack.template.body.removeprefix("---\n")
    return Rendered(environment, StackPath(path), body, json.loads(body))


@cache
def rendered(environment: str, path: StackPath) -> Rendered:
    return template_of(stacks_of(environment)[f"{environment}/{path}"])


@pytest.fixture(scope="session")
def render() -> Render:
    return rendered


class RenderChanged(Protocol):
    def __call__(
        self, environment: str, path: StackPath, change: Callable[[dict[str, Any]], None]
    ) -> Rendered: ...


@pytest.fixture(scope="session")
def render_changed() -> RenderChanged:
    """Renders a template with settings that somebody has changed."""

    def render(
        environment: str, path: StackPath, change: Callable[[dict[str, Any]], None]
    ) -> Rendered:
        (stack,) = [
            stack
            for stack in project.read_stacks(PROJECT, environment)
            if stack.name == f"{environment}/{path}"
        ]
        change(stack.sceptre_user_data)
        return template_of(stack)

    return render


@cache
def settings_of(environment: str) -> Settings:
    return project.read_settings(PROJECT, environment)


@pytest.fixture
def settings(environment: str) -> Settings:
    """The settings of the environment that the test is run for."""
    return settings_of(environment)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for an environment runs in each; one that asks for a stack, for each."""
    if "environment" in metafunc.fixturenames:
        metafunc.parametrize("environment", ENVIRONMENTS, scope="session")
    if "stack_path" in metafunc.fixturenames:
        metafunc.parametrize("stack_path", list(StackPath), scope="session", ids=str)
