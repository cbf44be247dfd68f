"""Builds in a container engine, where one answers."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import uuid
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest

from fargate_batch.errors import UserError
from imaging import builders, engines, pushing, targets
from imaging.engines import Engine, EngineError
from imaging.registry import base_images
from imaging.registry.authentication import Credentials
from imaging.repositories import Access
from tests.imaging.small_project import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REAL_BASE = os.environ.get("BASE_IMAGE", "")
"""Read before the fixtures hide it."""
needs_base_image = pytest.mark.skipif(not REAL_BASE, reason="no BASE_IMAGE; .ci/run makes one")


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = engines.find("auto")
    if found is None:
        pytest.skip("neither Docker nor Podman answers on this machine")
    return found


@pytest.fixture(scope="module")
def base(engine: Engine) -> Iterator[str]:
    """A base image of one file: nothing is run in it."""
    name = f"imaging-test-{uuid.uuid4().hex[:8]}:1"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("opt", "tmp"):
            header = tarfile.TarInfo(folder)
            header.type, header.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(header)
    command = [engine.command, "import", "-", name]
    subprocess.run(command, input=buffer.getvalue(), check=True, capture_output=True)
    yield name
    subprocess.run([engine.command, "rmi", "--force", name], check=True, capture_output=True)


@pytest.fixture
def without_python_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small base has no Python to compare."""
    monkeypatch.setattr(Engine, "python_version", lambda *_: "3.13.0")


@pytest.fixture
def pushed(
    engine: Engine,
    target: Any,
    project: Any,
    base: str,
    without_python_check: None,  # noqa: ARG001  # it patches
) -> Iterator[Any]:
    # The base holds no Python that could run anything.
    dockerfile = project.folder / "images" / "Dockerfile"
    lines = dockerfile.read_text().splitlines(keepends=True)
    dockerfile.write_text("".join(line for line in lines if not line.startswith("RUN ")))
    pushing.push_changed(target.wanted(project, base), target.ecr, "auto", lambda *_: None)
    yield target
    names = [f"{target.uris[stage]}:{tag}" for stage, tag in project.tags(base).items()]
    subprocess.run([engine.command, "rmi", "--force", *names], check=False, capture_output=True)


def test_an_engine_s_image_holds_the_same_files_as_an_assembled_one(
    pushed: Any, project: Any, bases: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_files = {stage: pushed.files(stage) for stage in STAGES}
    engine_config = pushed.config("risk-calculation")["config"]
    for stage in STAGES:
        pushed.empty(stage)
    monkeypatch.setattr(engines, "find", lambda _choice: None)
    assembled = pushed.wanted(project, bases.push({}))
    pushing.push_changed(assembled, pushed.ecr, "auto", steps)
    assert {stage: pushed.files(stage) for stage in STAGES} == engine_files
    config = pushed.config("risk-calculation")["config"]
    for key in ("User", "WorkingDir", "Volumes", "Entrypoint", "Cmd"):
        assert config[key] == engine_config[key]
    assert {item for item in config["Env"] if not item.startswith(("PATH=", "LANG="))} <= set(
        engine_config["Env"]
    )


def test_stages_built_by_an_engine_share_layers_and_a_second_push_does_nothing(
    pushed: Any, project: Any, base: str, steps: Any
) -> None:
    one, other = (
        [layer["digest"] for layer in pushed.manifest(stage)["layers"]] for stage in STAGES
    )
    assert one[0] == other[0]
    assert set(one) & set(other) >= {one[0], one[1], one[3]}
    steps.told.clear()
    assert pushing.push_changed(pushed.wanted(project, base), pushed.ecr, "auto", steps) == []
    assert steps.told == []


def test_the_tag_is_the_content_s_and_names_the_engine_s_image(
    pushed: Any, project: Any, base: str
) -> None:
    assert pushed.tags() == {stage: {tag} for stage, tag in project.tags(base).items()}


def test_a_stage_s_own_dockerfile_may_do_what_only_an_engine_can(
    engine: Engine, tmp_path: Path, base: str
) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nHEALTHCHECK NONE\n")
    name = f"imaging-test-{uuid.uuid4().hex[:8]}:1"
    engine.build(tmp_path, name, {"BASE_IMAGE": base})
    assert engine.has(name)
    subprocess.run([engine.command, "rmi", name], check=True, capture_output=True)


def test_a_build_that_fails_says_what_the_engine_said(
    engine: Engine, tmp_path: Path, base: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nCOPY missing /x\n")
    with pytest.raises(EngineError, match=r"(?s)cannot build x:1:.*missing"):
        engine.build(tmp_path, "x:1", {})


def test_a_push_into_a_repository_that_is_not_there_is_one_clear_error(
    engine: Engine, aws: Any, base: str
) -> None:
    name = f"{aws.registry}/not-there:1"
    subprocess.run([engine.command, "tag", base, name], check=True, capture_output=True)
    with pytest.raises(EngineError, match=f"cannot push {name}"):
        engine.push(name, aws.registry, Credentials("AWS", "x"), tls=False)
    subprocess.run([engine.command, "rmi", name], check=True, capture_output=True)


def test_credentials_are_kept_nowhere_and_not_on_the_command_line(
    engine: Engine, target: Any, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    commands: list[str] = []
    run = engines._run

    def seen(command: Any, *more: Any) -> Any:
        commands.append(" ".join(command))
        return run(command, *more)

    monkeypatch.setattr(engines, "_run", seen)
    uri = target.uris["data-ingestion"]
    name = f"{uri}:1"
    subprocess.run([engine.command, "tag", base, name], check=True, capture_output=True)
    engine.push(name, uri.partition("/")[0], Credentials("AWS", "very-secret"), tls=False)
    subprocess.run([engine.command, "rmi", name], check=True, capture_output=True)
    assert target.tags()["data-ingestion"] == {"1"}
    assert "very-secret" not in "\n".join(commands)
    assert not [path for path in tmp_path.rglob("*.json") if "auth" in path.read_text()]


def test_a_registry_that_does_not_answer_refuses_the_login(
    engine: Engine, free_address: str
) -> None:
    with pytest.raises(EngineError, match=f"cannot log in to {free_address}"):
        engine.push("x:1", free_address, Credentials("AWS", "x"), tls=False)


def test_a_base_without_python_is_one_clear_error(engine: Engine, base: str) -> None:
    with pytest.raises(EngineError, match=f"cannot run python3 in {base}"):
        engine.python_version(base)


@needs_base_image
def test_the_base_image_s_python_is_the_one_that_wheels_are_chosen_for(engine: Engine) -> None:
    name = REAL_BASE
    base_images.check_python(name, engine.python_version(name))


@pytest.mark.usefixtures("engine")
@needs_base_image
def test_what_a_stage_prepares_is_made_by_the_base_image_s_python(
    target: Any, project: Any
) -> None:
    project.write(
        "risk-calculation/risk_calculation/prepare.py",
        "import sys\n\ndef prepare(folder):\n"
        "    (folder / 'python').write_text(f'{sys.version_info[0]}.{sys.version_info[1]}')\n",
    )
    pushing.push_changed(target.wanted(project, REAL_BASE), target.ecr, "auto", lambda *_: None)
    version = ".".join(map(str, targets.BASE_PYTHON))
    assert target.files("risk-calculation")["opt/batch/prepared/python"] == version.encode()


def test_a_base_that_neither_engine_nor_registry_has_means_a_host_image(
    engine: Engine, aws: Any, free_address: str
) -> None:
    told: list[str] = []
    access = create_autospec(Access)
    builder = builders.choose(f"{free_address}/none:1", engine, access, {aws.registry}, told.append)
    assert isinstance(builder, builders.ForHost)
    assert f"cannot pull {free_address}/none:1" in told[0]


class TestWithoutAnEngine:
    """What is found where commands are missing or do not answer."""

    @pytest.fixture(autouse=True)
    def commands(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        real = shutil.which
        monkeypatch.setattr("shutil.which", lambda name: real(name, path=str(folder)))
        return folder

    def command(self, folder: Path, name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def test_no_command_is_no_engine(self) -> None:
        assert engines.find("auto") is None

    def test_an_engine_that_does_not_answer_is_none(self, commands: Path) -> None:
        self.command(commands, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
        assert engines.find("auto") is None

    def test_podman_is_taken_where_docker_does_not_answer(
        self, commands: Path, tmp_path: Path
    ) -> None:
        self.command(commands, "docker", "exit 1")
        self.command(commands, "podman", f'[ "$1" = info ] && echo {tmp_path} || echo podman 5')
        assert engines.find("auto") == Engine("podman", True, None, tmp_path)

    def test_podman_under_dockers_name_is_podman(self, commands: Path, tmp_path: Path) -> None:
        self.command(commands, "docker", f'[ "$1" = info ] && echo {tmp_path} || echo podman 5')
        found = engines.find("docker")
        assert found is not None
        assert (found.command, found.name) == ("docker", "Podman")

    def test_an_engine_asked_for_by_name_must_answer(self) -> None:
        with pytest.raises(UserError, match=r"engine 'podman', .*does not answer here") as refused:
            engines.find("podman")
        assert "engine: auto in !image_push" in str(refused.value)
        assert "--engine auto in `python -m imaging push`" in str(refused.value)

    def test_none_is_none_even_where_one_answers(self, commands: Path) -> None:
        self.command(commands, "docker", "echo /var/lib/docker")
        assert engines.find("none") is None

    def test_podman_pushes_to_this_machine_without_tls_and_with_an_auth_file_of_its_own(
        self, commands: Path, tmp_path: Path
    ) -> None:
        log = tmp_path / "log"
        self.command(commands, "podman", f'echo "$@" >> {log}; cat >> {log}')
        podman = Engine("podman", True, None, None)
        podman.push("localhost:1/x:1", "localhost:1", Credentials("AWS", "secret"), tls=False)
        login, given, push = log.read_text().replace("secret", "secret\n", 1).splitlines()
        assert login.startswith("login --authfile=")
        assert login.endswith("--tls-verify=false --username AWS --password-stdin localhost:1")
        assert given == "secret"
        assert push.startswith("push --authfile=")
        assert push.endswith("--tls-verify=false localhost:1/x:1")
