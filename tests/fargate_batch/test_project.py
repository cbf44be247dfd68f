from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch import project as configuration
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_environments_are_the_folders_with_settings(project: Path) -> None:
    (project / "config" / "notes").mkdir()
    assert configuration.environments(project) == ["dev"]


def test_stacks_are_the_environments_own(project: Path) -> None:
    names = {stack.name for stack in configuration.read_stacks(project, "dev")}
    assert names == {"dev/storage/buckets", "dev/storage/ledger"}


def test_settings_are_read_without_asking_aws(project: Path) -> None:
    assert configuration.read_settings(project, "dev").environment == "dev"


def test_a_setting_out_of_range_is_named_with_its_file(project: Path) -> None:
    file = project / "config" / "dev" / "config.yaml"
    file.write_text(file.read_text().replace("log_retention_days: 30", "log_retention_days: 29"))
    with pytest.raises(UserError, match=r"config/dev/config\.yaml: .*log_retention_days"):
        configuration.read_settings(project, "dev")


def test_a_stack_is_launched_one_level_after_the_last_it_depends_on(project: Path) -> None:
    (project / "config" / "dev" / "storage" / "buckets.yaml").write_text(
        "template: { path: any.json }\ndependencies: [ dev/storage/ledger.yaml ]\n"
    )
    levels = configuration.stack_levels(configuration.read_stacks(project, "dev"))
    assert levels == {"dev/storage/ledger": 1, "dev/storage/buckets": 2}
