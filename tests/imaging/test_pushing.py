"""Images without an engine, pushed to a local AWS's registry; bases come from another one."""

from __future__ import annotations

import gzip
import os
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from imaging import builders, contents, engines, layers, pushing
from imaging.engines import Engine, EngineError
from imaging.registry.client import Registry
from imaging.registry.errors import RegistryError
from tests.imaging.registries import push, tar_of
from tests.imaging.small_project import STAGES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_engine")


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
    assert {layer["mediaType"].split("+")[0] for layer in target.layers(STAGES[0])} == {
        "application/vnd.oci.image.layer.v1.tar"
    }


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
    one, other = ([layer["digest"] for layer in target.layers(stage)] for stage in STAGES)
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
        target.empty(stage)
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
    assert push(target, project, base, steps) == []
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


def test_a_failed_build_is_told_though_there_is_a_host_image_that_it_was_to_replace(
    target: Any,
    project: Any,
    steps: Any,
    free_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any) -> None:
        raise EngineError("Docker cannot build x: disk full")

    base = f"{free_address}/base:1"
    push(target, project, base, steps)
    before = target.tags()
    monkeypatch.setattr(engines, "find", lambda _choice: Engine("docker", False, None, None))
    monkeypatch.setattr(Engine, "has", lambda *_: True)
    monkeypatch.setattr(Engine, "python_version", lambda *_: "3.13.0")
    monkeypatch.setattr(Engine, "build", full)
    steps.told.clear()
    with pytest.raises(UserError, match="risk-calculation: Docker cannot build x: disk full"):
        push(target, project, base, steps)
    assert not [step for _, step in steps.told if step.startswith("pushed")]
    assert target.tags() == before


def test_what_is_told_as_pushed_is_the_tag_that_the_repository_holds(
    target: Any, project: Any, steps: Any, free_address: str
) -> None:
    push(target, project, f"{free_address}/base:1", steps)
    told = {who: {step.split()[1]} for who, step in steps.told if step.startswith("pushed")}
    assert told == target.tags()


def test_one_stage_s_failure_does_not_stop_the_others_and_is_told(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    (project.folder / "images/risk-calculation/files").mkdir()
    project.write("risk-calculation/Dockerfile", "FROM base\nRUN make\n")
    with pytest.raises(UserError, match=r"^risk-calculation: .*Dockerfile:2: RUN make needs"):
        push(target, project, bases.push({"a": b"b"}), steps)
    assert len(target.tags()["data-ingestion"]) == 1
    assert target.tags()["risk-calculation"] == set()


def test_beside_an_unexpected_failure_the_other_stages_are_told_of_too(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Registry.put_manifest

    def broken(self: Registry, repository: str, *more: Any) -> None:
        if "data" in repository:
            raise ZeroDivisionError
        put(self, repository, *more)

    monkeypatch.setattr(Registry, "put_manifest", broken)
    project.write("risk-calculation/Dockerfile", "FROM base\nRUN make\n")
    with pytest.raises(ZeroDivisionError) as raised:
        push(target, project, bases.push({"a": b"b"}), steps)
    (note,) = raised.value.__notes__
    assert note.startswith("risk-calculation: ")
    assert "RUN make needs" in note


def test_a_repository_that_is_gone_is_refused_by_ecr(target: Any, project: Any, steps: Any) -> None:
    target.ecr.delete_repository(repositoryName=target.name(STAGES[0]), force=True)
    with pytest.raises(target.ecr.exceptions.RepositoryNotFoundException):
        push(target, project, "base:1", steps)


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


def test_an_archive_is_known_by_its_content_and_never_added_packed(
    target: Any, project: Any, bases: Any, steps: Any
) -> None:
    dockerfile = "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nADD files/model.tgz /opt/\n"
    project.write("risk-calculation/Dockerfile", dockerfile)
    path = project.write("risk-calculation/files/model.tgz", "")
    path.write_bytes(gzip.compress(tar_of({"model.bin": b"1"})))
    with pytest.raises(UserError, match=r"unpacks files/model\.tgz.*keep the files unpacked"):
        push(target, project, bases.push({"a": b"b"}), steps)


def test_a_refusal_of_the_registry_is_told_with_the_stage(
    target: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise RegistryError("The registry x refuses: DENIED", 403)

    base = bases.push({"a": b"b"})
    monkeypatch.setattr(Registry, "push_blob", refused)
    with pytest.raises(UserError, match=r"data-ingestion: The registry x refuses: DENIED"):
        push(target, project, base, steps)


def test_the_environment_may_name_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pushing.base_image("configured") == "configured"
    monkeypatch.setenv("BASE_IMAGE", "mine")
    assert pushing.base_image("configured") == "mine"
