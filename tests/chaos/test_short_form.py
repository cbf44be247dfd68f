"""`make chaos` in a few minutes: fewer files, and both dispatch modes in one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos import drill, files
from chaos.drill import Effort
from chaos.incidents import REPORT, RISK
from chaos.project import copy_project
from fargate_batch.catalogue import Dispatch
from local.testing import local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaos.drill import Drilled

FILES = 24
SEED = 20260130


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drilled]:
    folder: Path = tmp_path_factory.mktemp("chaos")
    given = files.make(SEED, folder / "input", contents_wanted=3)
    with local_aws(use_engine=False) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        copy = copy_project(folder / "project", aws.environment)
        # Ingestion is run by its rule in both modes.
        copy.dispatch(Dispatch.QUEUE, RISK)
        copy.dispatch(Dispatch.TASK, REPORT)
        copy.launch()
        calm = drill.calm(copy, given)
        yield drill.drill(
            copy,
            given,
            calm,
            aws.faults,
            dispatch="both",
            files=FILES,
            seed=SEED,
            effort=Effort(reconcile_seconds=15),
        )


def test_nothing_is_lost_done_twice_or_other_than_in_a_calm_run(drilled: Drilled) -> None:
    assert drilled.findings.wrong == {}


def test_every_file_has_its_end(drilled: Drilled) -> None:
    assert set(drilled.findings.states) <= {"reported", "rejected"}
    assert sum(drilled.findings.states.values()) == FILES


def test_faults_did_happen(drilled: Drilled) -> None:
    happened = {name for name, count in drilled.faults.items() if count}
    assert happened >= {"run_task.failed", "events.twice", "tasks.seen"}
    assert {"tasks.sigterm", "tasks.sigkill"} & happened
    assert any(name.startswith("calls.") and not name.endswith("seen") for name in happened)
