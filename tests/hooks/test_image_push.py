from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from hooks.image_push import ImagePush
from imaging import engines, pushing, targets

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES = {
    "data-ingestion": "DataIngestion",
    "risk-calculation": "RiskCalculation",
    "report-generation": "ReportGeneration",
}
DOCKERFILE = Path(__file__).parents[2] / "images" / "Dockerfile"
REGISTRY = "dev/storage/registry"


@pytest.fixture
def images(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of the three stages, without libraries; and no engine and no base to be had."""
    folder: Path = project.folder / "images"
    sources = {
        "Dockerfile": DOCKERFILE.read_text(),
        "common/requirements.lock": "",
        "common/batchkit/__init__.py": "",
        **{f"{stage}/requirements.lock": "" for stage in STAGES},
        **{f"{stage}/{stage.replace('-', '_')}/__init__.py": "" for stage in STAGES},
    }
    for name, content in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BASE_IMAGE", "127.0.0.1:9/base:1")
    monkeypatch.setattr(engines, "find", lambda _choice: None)
    return folder


@pytest.fixture
def registry(project: Any, deploy: Callable[..., str]) -> dict[str, str]:
    """The registry's stack on the local AWS; each stage's repository by the stage's name."""
    stack = project.stack(REGISTRY)
    names = {stage: f"{stack.project_code}/{stage}-dev" for stage in STAGES}
    deploy(
        stack,
        {
            identifier: {
                "Type": "AWS::ECR::Repository",
                "Properties": {
                    "RepositoryName": names[stage],
                    "ImageTagMutability": "IMMUTABLE",
                    "EmptyOnDelete": True,
                },
            }
            for stage, identifier in STAGES.items()
        },
        {
            f"{identifier}RepositoryUri": {"Fn::GetAtt": [identifier, "RepositoryUri"]}
            for identifier in STAGES.values()
        },
    )
    return names


def hook(project: Any, moment: str = "after_create") -> ImagePush:
    found: ImagePush = project.hook(REGISTRY, moment, ImagePush)
    return found


def pushed(client: Callable[[str], Any], names: dict[str, str]) -> dict[str, list[str]]:
    ecr = client("ecr")
    return {
        stage: sorted(
            image["imageTag"] for image in ecr.list_images(repositoryName=name)["imageIds"]
        )
        for stage, name in names.items()
    }


@pytest.mark.usefixtures("images")
def test_every_stage_s_image_is_pushed_and_a_second_time_nothing_is(
    project: Any, registry: dict[str, str], client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="sceptre.hooks")
    hook(project).run()
    first = pushed(client, registry)
    assert {stage: len(tags) for stage, tags in first.items()} == dict.fromkeys(STAGES, 1)
    assert all(targets.host_label() in tag for tags in first.values() for tag in tags)
    for stage in STAGES:
        assert f"{stage}: pushed" in caplog.text
    caplog.clear()
    hook(project, "after_update").run()
    assert pushed(client, registry) == first
    assert caplog.text == ""


def test_a_change_in_one_stage_pushes_that_stage_only(
    project: Any, registry: dict[str, str], client: Any, images: Path
) -> None:
    hook(project).run()
    before = pushed(client, registry)
    (images / "risk-calculation/risk_calculation/__init__.py").write_text("CHANGED = True\n")
    hook(project, "after_update").run()
    after = pushed(client, registry)
    assert {stage for stage in STAGES if after[stage] != before[stage]} == {"risk-calculation"}


@pytest.mark.usefixtures("images")
def test_an_unknown_engine_or_argument_stops_the_reading_of_the_stack(project: Any) -> None:
    for given, message in (
        ("!image_push { engine: kaniko }", "engine: Input should be 'auto', 'docker'"),
        ("!image_push { stages: [] }", "stages: Extra inputs are not permitted"),
    ):
        project.edit(f"{REGISTRY}.yaml", "- !image_push", f"- {given}")
        with pytest.raises(UserError, match=rf"registry\.yaml: hook !image_push: {message}"):
            project.stack(REGISTRY)
        project.edit(f"{REGISTRY}.yaml", f"- {given}", "- !image_push")


@pytest.mark.parametrize(
    "status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"]
)
def test_nothing_is_pushed_after_a_failure(
    project: Any,
    status: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pushing, "push_changed", lambda *_: pytest.fail("images are pushed"))
    described = {
        "StackName": "x",
        "StackStatus": status,
        "LastUpdatedTime": datetime.now(UTC) + timedelta(seconds=5),
    }
    monkeypatch.setattr(ImagePush, "described_stack", lambda _: described)
    hook(project).run()
    assert f"No images are pushed: the stack is {status}." in caplog.text


def test_nothing_is_pushed_where_there_is_no_stack(
    project: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pushing, "push_changed", lambda *_: pytest.fail("images are pushed"))
    monkeypatch.setattr(ImagePush, "described_stack", lambda _: None)
    hook(project).run()
    assert "No images are pushed" in caplog.text


@pytest.mark.usefixtures("on_local_aws")
def test_a_stack_without_a_stage_s_repository_is_named(
    project: Any, deploy: Callable[..., str]
) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    deploy(project.stack(REGISTRY), topic, {"Other": {"Ref": "Topic"}})
    with pytest.raises(UserError, match=r"no output DataIngestionRepositoryUri.*registry\.py"):
        hook(project).run()


@pytest.mark.usefixtures("images")
def test_what_aws_refuses_is_one_clear_error(
    project: Any, registry: dict[str, str], client: Any
) -> None:
    client("ecr").delete_repository(repositoryName=registry["data-ingestion"], force=True)
    with pytest.raises(UserError, match=r"cannot be pushed.*RepositoryNotFoundException"):
        hook(project).run()
