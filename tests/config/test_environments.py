"""The settings of the environments as they are committed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from fargate_batch import project
from fargate_batch.settings import Dispatch

PROJECT = Path(__file__).parents[2]
ENVIRONMENTS = project.environments(PROJECT)


def keys(value: Any, prefix: str = "") -> list[str]:
    """Every key of a nested mapping, in order."""
    if not isinstance(value, dict):
        return [prefix]
    return [found for key, inner in value.items() for found in keys(inner, f"{prefix}.{key}")]


def raw(environment: str) -> dict[str, Any]:
    config = yaml.safe_load((PROJECT / "config" / environment / "config.yaml").read_text())
    assert isinstance(config, dict)
    return config


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_set_the_same_keys_in_the_same_order(environment: str) -> None:
    # So that two files laid side by side show the differences and nothing else.
    assert keys(raw(environment)) == keys(raw("dev"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_settings_are_valid(environment: str) -> None:
    assert project.read_settings(PROJECT, environment).environment == environment


def test_ranges_of_the_environments_do_not_overlap() -> None:
    # So that two of them can be peered, or reached from the same place.
    ranges = [project.read_settings(PROJECT, name).network.cidr for name in ENVIRONMENTS]
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)


def test_prod_is_kept_and_safe_from_spot() -> None:
    prod = project.read_settings(PROJECT, "prod")
    dev = project.read_settings(PROJECT, "dev")
    assert not prod.allow_destruction
    assert dev.allow_destruction
    assert prod.network.endpoint_zones == 3
    assert prod.capacity.fargate_base > dev.capacity.fargate_base
    assert prod.capacity.fargate_weight > prod.capacity.fargate_spot_weight


def test_dev_costs_least_when_idle() -> None:
    zones = {
        name: project.read_settings(PROJECT, name).network.endpoint_zones for name in ENVIRONMENTS
    }
    assert zones == {"dev": 1, "staging": 2, "prod": 3}


def test_every_environment_has_a_stage_of_its_own_dispatch() -> None:
    dispatch = {
        name: project.read_settings(PROJECT, name).stage("risk-calculation").dispatch
        for name in ENVIRONMENTS
    }
    assert dispatch == {
        "dev": Dispatch.TASK,
        "staging": Dispatch.QUEUE,
        "prod": Dispatch.QUEUE,
    }


def test_every_stage_may_read_what_it_listens_to() -> None:
    for stage in project.read_settings(PROJECT, "dev").stages:
        example = stage.source.key_pattern.replace("*", "x")
        readable = getattr(stage.reads, stage.source.bucket)
        assert any(fnmatchcase(example, pattern) for pattern in readable), stage.name


def test_no_stage_may_read_whole_runs() -> None:
    for stage in project.read_settings(PROJECT, "dev").stages:
        assert "runs/*" not in (*stage.reads.output, *stage.writes.output)
