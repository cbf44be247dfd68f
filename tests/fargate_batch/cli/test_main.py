"""What all commands do with wrong use and with a run that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fargate_batch.cli.runs import RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("command", ["follow", "report", "why", "logs", "redrive"])
def test_a_run_of_another_environment_is_one_line_at_once(
    launched: Any, batch: Callable[..., Any], project: Path, command: str
) -> None:
    assert launched
    (project / "config" / "prod").mkdir()
    (project / "config" / "prod" / "config.yaml").write_text("region: eu-west-1\n")
    ended = batch(command, "nothing-of-the-kind")
    assert ended.code == 1
    assert ended.message == (
        "There is no run 'nothing-of-the-kind' in dev: neither the ledger nor the input bucket "
        "knows it. Is it another environment's (prod)? `batch runs --environment dev` lists its "
        "runs."
    )


@pytest.mark.parametrize(
    "command",
    [
        ("follow",),
        ("submit",),
        ("report", RUN, "--timeout", "1"),
        ("redrive",),
        ("redrive", RUN, "--all"),
        ("runs", "--since", "yesterday"),
        ("runs", "--state", "lost"),
    ],
)
def test_wrong_use_exits_with_2(batch: Callable[..., Any], command: tuple[str, ...]) -> None:
    assert batch(*command).code == 2
