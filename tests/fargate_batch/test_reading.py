from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sceptre.cli import cli

from fargate_batch import project as configuration
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRONMENT, CATALOGUE, STACK = "dev/config.yaml", "config.yaml", "dev/storage/ledger.yaml"


def edit(project: Path, name: str, old: str, new: str) -> int:
    """Change a file below config/, and return the line of the change."""
    file = project / "config" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("name", [ENVIRONMENT, CATALOGUE, STACK])
def test_a_file_that_is_no_yaml_is_named_with_its_line(project: Path, name: str) -> None:
    with (project / "config" / name).open("a") as file:
        file.write("\nbad: [x\nworse: 1\n")
    lines = (project / "config" / name).read_text().count("\n")
    with pytest.raises(UserError) as refused:
        configuration.read_stacks(project, "dev")
    assert str(refused.value) == (
        f"config/{name}, line {lines}, column 6: cannot be read as YAML: expected ',' or ']', but "
        f"got ':', while parsing a flow sequence in line {lines - 1}. The line is `worse: 1`; look "
        "there and in the lines above for an indentation, a bracket, a quote."
    )


def test_a_file_that_ends_too_early_is_told_so(project: Path) -> None:
    with (project / "config" / STACK).open("a") as file:
        file.write("bad: [x\n\n\n")
    with pytest.raises(UserError, match=r"dev/storage/ledger\.yaml, line 5, .* the file's end;"):
        configuration.read_stacks(project, "dev")


def test_a_tag_that_nobody_knows_is_named_with_its_line(project: Path) -> None:
    line = edit(project, STACK, "stack_name:", "stack_tags: !nobodys\nstack_name:")
    with pytest.raises(UserError) as refused:
        configuration.read_stacks(project, "dev")
    assert f"config/{STACK}, line {line}, " in str(refused.value)
    assert "'!nobodys'. The line is `stack_tags: !nobodys`; correct it." in str(refused.value)


def test_a_file_that_holds_no_settings_is_told_so(project: Path) -> None:
    (project / "config" / ENVIRONMENT).write_text("- region: eu-west-1\n")
    with pytest.raises(UserError, match=r"^config/dev/config\.yaml: must hold settings"):
        configuration.read_stacks(project, "dev")


@pytest.mark.parametrize("command", ["validate", "launch", "status", "delete"])
def test_every_command_of_sceptres_says_it_in_one_line(project: Path, command: str) -> None:
    line = edit(project, ENVIRONMENT, "  account_id: ~", "   account_id: ~\n  x: 1")
    ended = CliRunner().invoke(cli, ["--dir", str(project), command, "dev"], input="y\n")
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit)
    assert ended.output.splitlines()[-1].startswith(f'"config/dev/config.yaml, line {line + 1}, ')


def test_batch_says_the_same(project: Path, batch: Callable[..., Any]) -> None:
    edit(project, ENVIRONMENT, "region:", "region: [")
    ended = batch("runs")
    assert "config/dev/config.yaml, line " in ended.message
