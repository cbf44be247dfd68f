from __future__ import annotations

from pathlib import Path

import pytest

from fargate_batch.errors import UserError
from hooks.verify_images import refuse_without_handler
from imaging import sources

PROJECT = Path(__file__).parents[2]
STAGE = "line-count"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one stage, complete but for its package's module."""
    images = tmp_path / "images"
    (images / STAGE / "line_count").mkdir(parents=True)
    (images / "common" / "batchkit").mkdir(parents=True)
    for file in ("Dockerfile", "common/requirements.lock", f"{STAGE}/requirements.lock"):
        (images / file).write_text("")
    return tmp_path


def check(project: Path, module: str | None) -> None:
    if module is not None:
        (project / "images" / STAGE / "line_count" / "__init__.py").write_text(module)
    refuse_without_handler(sources.find(project, STAGE), project)


@pytest.mark.parametrize(
    "module",
    [
        "def handle(event, context): ...",
        "from line_count.work import handle",
        "from line_count.work import count as handle",
        "handle = print",
    ],
)
def test_a_package_with_a_handler_passes(project: Path, module: str) -> None:
    check(project, module)


@pytest.mark.parametrize("stage", ["data-ingestion", "risk-calculation", "report-generation"])
def test_the_projects_own_stages_pass(stage: str) -> None:
    refuse_without_handler(sources.find(PROJECT, stage), PROJECT)


@pytest.mark.parametrize("module", ["", "def work(event): ...", "import line_count.handle"])
def test_a_package_without_a_handler_is_refused(project: Path, module: str) -> None:
    with pytest.raises(UserError, match=r"line_count/__init__\.py has no `handle\(event"):
        check(project, module)


def test_a_package_without_a_module_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match=r"line_count/__init__\.py is missing"):
        check(project, None)


def test_a_module_that_is_no_python_is_refused_with_its_line(project: Path) -> None:
    with pytest.raises(UserError, match=r"__init__\.py, line 2"):
        check(project, "import this\ndef handle(:")


@pytest.mark.parametrize("folder", ["common", STAGE])
def test_a_missing_lock_is_refused_with_what_makes_it(project: Path, folder: str) -> None:
    (project / "images" / folder / "requirements.lock").unlink()
    with pytest.raises(UserError) as refused:
        check(project, "def handle(event, context): ...")
    assert str(refused.value) == (
        f"images/{folder}/requirements.lock is missing; `make lock-images` makes it from "
        f"images/{folder}/requirements.in."
    )


def test_a_stage_without_a_folder_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match=r"Stage 'other' of config/config\.yaml needs images/other"):
        sources.find(project, "other")
