"""Images for tasks that run as processes of this machine, where no base image can be had."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from imaging import jobs, pushing, targets
from tests.imaging.registries import push
from tests.imaging.small_project import STAGES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_engine")


def test_without_a_base_a_registry_on_this_machine_gets_a_host_image(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    assert push(target, project, f"{free_address}/base:1", steps) == list(STAGES)
    config = target.config("risk-calculation")
    assert config["config"]["Labels"] == {targets.HOST_LABEL: targets.host_label()}
    # The four that are added, and the bytecode of each.
    assert len(target.layers("risk-calculation")) == 8
    tag = project.tags(f"{free_address}/base:1")["risk-calculation"]
    assert target.tags()["risk-calculation"] == {f"{tag}-host-{targets.host_label()}"}
    everyone = [step for who, step in steps.told if who == "all stages"]
    assert "does not answer" in everyone[0]
    assert "tasks run as processes" in everyone[1]
    assert push(target, project, f"{free_address}/base:1", steps) == []


def test_a_host_image_really_runs_on_this_machine(
    target: Any, project: Any, steps: Any, free_address: str, tmp_path: Path
) -> None:
    push(target, project, f"{free_address}/base:1", steps)
    for name, content in target.files("risk-calculation").items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    code, packages = (tmp_path / "root/opt/batch" / name for name in ("code", "site-packages"))
    ran = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            (
                f"import sys; sys.path[:0] = [{str(code)!r}, {str(packages)!r}]"
                "; import risk_calculation, everyone, figures; print(figures.VALUE)"
            ),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "2\n"


PREPARING = """
import pathlib
import everyone

def prepare(folder: pathlib.Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "made.bin").write_bytes(b"made by version %d" % everyone.VALUE)
"""


def test_what_a_stage_prepares_is_in_its_host_image_and_in_no_other(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    project.write("risk-calculation/risk_calculation/prepare.py", PREPARING)
    push(target, project, f"{free_address}/base:1", steps)
    files = target.files("risk-calculation")
    assert files["opt/batch/prepared/deep/made.bin"] == b"made by version 1"
    assert len(target.layers("risk-calculation")) == 9
    assert len(target.layers("data-ingestion")) == 8
    assert "PREPARED=/opt/batch/prepared" in target.config("risk-calculation")["config"]["Env"]


def test_a_host_image_brings_its_bytecode_and_is_the_same_bytes_again(
    target: Any,
    project: Any,
    steps: Any,
    free_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.write("risk-calculation/risk_calculation/names.py", "NAMES = {'a', 'b', 'c', 'd'}\n")
    push(target, project, f"{free_address}/base:1", steps)
    files = target.files("risk-calculation")
    version = sys.implementation.cache_tag
    for module in ("site-packages/%s/figures", "code/risk_calculation/%s/names"):
        assert f"opt/batch/{module % '__pycache__'}.{version}.pyc" in files
    first = target.layers("risk-calculation")
    target.empty("risk-calculation")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder.parent / "other"))
    push(target, project, f"{free_address}/base:1", steps)
    assert target.layers("risk-calculation") == first


def test_what_fails_while_it_is_prepared_is_told_and_not_pushed(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    failing = "def prepare(folder):\n    raise ValueError('no such kernel')\n"
    project.write("risk-calculation/risk_calculation/prepare.py", failing)
    with pytest.raises(
        UserError, match=r"(?s)risk-calculation: .*batchkit.prepare failed .*no such k"
    ):
        push(target, project, f"{free_address}/base:1", steps)
    assert target.tags()["risk-calculation"] == set()


def test_an_assembled_image_is_not_prepared_and_says_so(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    project.write("risk-calculation/risk_calculation/prepare.py", PREPARING)
    push(target, project, bases.push({"a": b"b"}), steps)
    assert not [name for name in target.files("risk-calculation") if "prepared" in name]
    told = {who for who, step in steps.told if "nothing is compiled ahead" in step}
    assert told == set(STAGES)


def test_without_a_base_any_other_registry_is_refused(
    project: Any, steps: Any, ecr: Any, free_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "digest", lambda *_: None)
    uris = dict.fromkeys(STAGES, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x")
    wanted = jobs.Wanted(project.folder, f"{free_address}/base:1", uris)
    with pytest.raises(UserError, match="for a registry on this machine only") as refused:
        pushing.push_changed(wanted, ecr, "auto", steps)
    assert "does not answer" in str(refused.value)


def test_a_host_image_is_replaced_once_an_engine_holds_the_base(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    base = f"{free_address}/base:1"
    push(target, project, base, steps)
    asked = jobs.of(target.wanted(project, base))
    assert jobs.missing(target.ecr, asked, containers=lambda: False) == []
    assert jobs.missing(target.ecr, asked, containers=lambda: True) == asked
