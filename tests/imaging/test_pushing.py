"""Images without an engine, pushed to a local AWS's registry; bases come from another one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from imaging import builders, contents, engines, jobs, layers, pushing, targets
from imaging.registry.client import Registry
from imaging.registry.errors import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ("data-ingestion", "risk-calculation")


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find", lambda _choice: None)


def push(target: Any, project: Any, base: str, steps: Any) -> list[str]:
    return pushing.push_changed(target.wanted(project, base), target.ecr, "auto", steps)


def test_an_image_holds_its_base_its_libraries_and_its_code(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    base = bases.push({"usr/bin/python3": b"python"})
    assert push(target, project, base, steps) == list(STAGES)
    files = target.files("risk-calculation")
    assert files["usr/bin/python3"] == b"python"
    assert files["opt/batch/site-packages/everyone/__init__.py"] == b"VALUE = 1\n"
    assert files["opt/batch/site-packages/figures.py"] == b"VALUE = 2\n"
    assert files["opt/batch/code/batchkit/__main__.py"] == b"print('worked')\n"
    assert files["opt/batch/code/risk_calculation/__init__.py"] == b"NAME = 'risk'\n"
    assert "opt/batch/site-packages/figures.py" not in target.files("data-ingestion")


def test_the_configuration_is_the_base_s_with_the_dockerfile_s_changes(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    push(target, project, bases.push({"a": b"b"}), steps)
    config = target.config("data-ingestion")
    inside = config["config"]
    assert inside["Env"][:2] == ["PATH=/usr/bin", "LANG=C"]
    assert "STAGE=data-ingestion" in inside["Env"]
    assert "PYTHONPATH=/opt/batch/code:/opt/batch/site-packages" in inside["Env"]
    assert inside["User"] == "10001:10001"
    assert inside["WorkingDir"] == "/opt/batch/code"
    assert inside["Volumes"] == {"/tmp": {}}  # noqa: S108  # the volume inside the image
    assert inside["Entrypoint"] == ["python3", "-m", "batchkit"]
    assert inside["Cmd"] == ["work"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert len(config["rootfs"]["diff_ids"]) == len(target.manifest("data-ingestion")["layers"])
    assert len(config["history"]) == 5
    assert {layer["mediaType"].split("+")[0] for layer in _layers(target, STAGES[0])} == {
        "application/vnd.oci.image.layer.v1.tar"
    }


def _layers(target: Any, stage: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = target.manifest(stage)["layers"]
    return found


def test_stages_share_the_layers_that_they_have_in_common(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads: list[str] = []
    upload = Registry._upload

    def counted(self: Registry, repository: str, digest: str, *more: Any) -> None:
        uploads.append(digest)
        upload(self, repository, digest, *more)

    monkeypatch.setattr(Registry, "_upload", counted)
    push(target, project, bases.push({"a": b"b"}), steps)
    one, other = ([layer["digest"] for layer in _layers(target, stage)] for stage in STAGES)
    # Base, common libraries, stage libraries, shared code, stage code.
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, True, False, True, False]
    assert uploads.count(one[1]) == 2, "the second of them is a mount"


def test_the_same_sources_are_the_same_digests_wherever_they_are_built(
    target: Any,
    project: Any,
    bases: Any,
    steps: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = bases.push({"a": b"b"})
    push(target, project, base, steps)
    first = {stage: target.digests(stage) for stage in STAGES}
    for stage in STAGES:
        ids = [{"imageDigest": digest} for digest in first[stage].values()]
        target.ecr.batch_delete_image(repositoryName=target.name(stage), imageIds=ids)
    # Another machine: nothing cached, other times on the files.
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder.parent / "other"))
    for path in (project.folder / "images").rglob("*"):
        os.utime(path, (1, 1))
    push(target, project, base, steps)
    assert {stage: target.digests(stage) for stage in STAGES} == first


def test_nothing_is_done_when_nothing_changed(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bases.push({"a": b"b"})
    push(target, project, base, steps)
    steps.told.clear()
    monkeypatch.setattr(builders, "choose", lambda *_: pytest.fail("something is built"))
    began = time.monotonic()
    assert push(target, project, base, steps) == []
    assert time.monotonic() - began < 2
    assert steps.told == []


def test_a_change_in_one_stage_pushes_that_stage_only(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    base = bases.push({"a": b"b"})
    push(target, project, base, steps)
    before = target.tags()
    project.write("risk-calculation/risk_calculation/__init__.py", "NAME = 'changed'\n")
    assert push(target, project, base, steps) == ["risk-calculation"]
    after = target.tags()
    assert after["data-ingestion"] == before["data-ingestion"]
    assert len(after["risk-calculation"] - before["risk-calculation"]) == 1


def test_progress_names_each_stage_and_step(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    push(target, project, bases.push({"a": b"b"}), steps)
    for stage in STAGES:
        told = [step.split()[0] for who, step in steps.told if who == stage]
        assert told == ["preparing", "without", "pushing", "pushed"]


def test_an_interrupted_push_is_finished_by_the_next(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bases.push({"a": b"b"})
    put = Registry.put_manifest

    def broken(self: Registry, repository: str, *more: Any) -> None:
        if "risk" in repository:
            raise KeyboardInterrupt
        put(self, repository, *more)

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "put_manifest", broken)
        with pytest.raises(KeyboardInterrupt):
            push(target, project, base, steps)
    assert target.tags()["risk-calculation"] == set()
    monkeypatch.setattr(layers, "write", lambda *_: pytest.fail("made again"))
    assert push(target, project, base, steps) == ["risk-calculation"]
    assert len(target.tags()["risk-calculation"]) == 1


def test_a_tag_that_somebody_else_pushed_meanwhile_is_success(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = bases.push({"a": b"b"})
    put = Registry.put_manifest

    def overtaken(
        self: Registry, repository: str, tag: str, content: bytes, media_type: str
    ) -> None:
        put(self, repository, tag, content.replace(b"{", b"{ ", 1), media_type)
        put(self, repository, tag, content, media_type)

    monkeypatch.setattr(Registry, "put_manifest", overtaken)
    assert push(target, project, base, steps) == list(STAGES)
    assert all(len(tags) == 1 for tags in target.tags().values())


def test_one_stage_s_failure_does_not_stop_the_others_and_is_told(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    (project.folder / "images/risk-calculation/files").mkdir()
    project.write("risk-calculation/Dockerfile", "FROM base\nRUN make\n")
    with pytest.raises(UserError, match=r"^risk-calculation: .*Dockerfile:2: RUN make needs"):
        push(target, project, bases.push({"a": b"b"}), steps)
    assert len(target.tags()["data-ingestion"]) == 1
    assert target.tags()["risk-calculation"] == set()


def test_a_repository_that_is_gone_is_refused_by_ecr(target: Any, project: Any, steps: Any) -> None:
    target.ecr.delete_repository(repositoryName=target.name(STAGES[0]), force=True)
    with pytest.raises(target.ecr.exceptions.RepositoryNotFoundException):
        push(target, project, "base:1", steps)


def test_without_a_base_a_registry_on_this_machine_gets_a_host_image(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    assert push(target, project, f"{free_address}/base:1", steps) == list(STAGES)
    config = target.config("risk-calculation")
    assert config["config"]["Labels"] == {targets.HOST_LABEL: targets.host_label()}
    # The four that are added, and the bytecode of each.
    assert len(_layers(target, "risk-calculation")) == 8
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
    assert len(_layers(target, "risk-calculation")) == 9
    assert len(_layers(target, "data-ingestion")) == 8
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
    first = _layers(target, "risk-calculation")
    ids = [{"imageDigest": digest} for digest in target.digests("risk-calculation").values()]
    target.ecr.batch_delete_image(repositoryName=target.name("risk-calculation"), imageIds=ids)
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder.parent / "other"))
    push(target, project, f"{free_address}/base:1", steps)
    assert _layers(target, "risk-calculation") == first


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


def test_a_full_disk_is_told_before_anything_is_made(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(UserError, match=r"No room for the images: .* GB free"):
        push(target, project, bases.push({"a": b"b"}), steps)
    assert steps.told == []


def test_sources_that_change_meanwhile_are_not_pushed_under_the_old_tag(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = contents.prepare
    lock = threading.Lock()
    saved: list[Path] = []

    def meanwhile(*arguments: Any) -> Any:
        with lock:
            # Once: while a file is written again it is empty, as it was at first.
            if not saved:
                saved.append(project.write("common/batchkit/__init__.py", "saved = 'meanwhile'\n"))
        return prepare(*arguments)

    monkeypatch.setattr(contents, "prepare", meanwhile)
    with pytest.raises(UserError, match="changed while it was built; launch again"):
        push(target, project, bases.push({"a": b"b"}), steps)
    assert target.tags() == {stage: set() for stage in STAGES}


def test_files_of_a_stage_s_own_dockerfile_are_added(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    common = (project.folder / "images/Dockerfile").read_text()
    own = (
        f"{common}COPY files /opt/tables\nCOPY files/a.csv /opt/one.csv\nADD files/a.csv /opt/in/\n"
    )
    project.write("risk-calculation/Dockerfile", own)
    project.write("risk-calculation/files/a.csv", "1,2\n")
    project.write("risk-calculation/files/deep/b.csv", "3\n")
    push(target, project, bases.push({"a": b"b"}), steps)
    files = target.files("risk-calculation")
    assert files["opt/tables/a.csv"] == files["opt/one.csv"] == files["opt/in/a.csv"] == b"1,2\n"
    assert files["opt/tables/deep/b.csv"] == b"3\n"


@pytest.mark.parametrize(
    "case",
    [
        ("COPY nowhere /x", "adds nowhere, which is neither one of common-libraries.tar.gz"),
        ("COPY files/none.csv /x", "nor in"),
        ("ADD files/a.tar.gz /x/", "unpacks files/a.tar.gz"),
        ("ADD stage-code.tar.gz /elsewhere", "start at the root: ADD stage-code.tar.gz /"),
        ("COPY stage-code.tar.gz /", "start at the root"),
    ],
)
def test_what_cannot_be_added_is_refused(
    target: Any, project: Any, bases: Any, steps: Any, case: tuple[str, str]
) -> None:
    line, reason = case
    project.write("risk-calculation/Dockerfile", f"ARG BASE_IMAGE\nFROM $BASE_IMAGE\n{line}\n")
    project.write("risk-calculation/files/a.tar.gz", "x")
    with pytest.raises(UserError) as refused:
        push(target, project, bases.push({"a": b"b"}), steps)
    assert reason in str(refused.value)


def test_a_refusal_of_the_registry_is_told_with_the_stage(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise RegistryError("The registry x refuses: DENIED", 403, ("DENIED",))

    base = bases.push({"a": b"b"})
    monkeypatch.setattr(Registry, "push_blob", refused)
    with pytest.raises(UserError, match=r"data-ingestion: The registry x refuses: DENIED"):
        push(target, project, base, steps)


def test_the_environment_may_name_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pushing.base_image("configured") == "configured"
    monkeypatch.setenv("BASE_IMAGE", "mine")
    assert pushing.base_image("configured") == "mine"
