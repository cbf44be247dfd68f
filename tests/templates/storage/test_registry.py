from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import StackPath, StageOutput

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def registry(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.REGISTRY)


def test_each_stage_has_a_repository(registry: Rendered, settings: Settings) -> None:
    repositories = registry.of_type("AWS::ECR::Repository")
    assert [one["RepositoryName"]["Fn::Sub"] for one in repositories.values()] == [
        f"fargate-batch/{stage.name}-${{EnvironmentSuffix}}" for stage in settings.stages
    ]


def test_images_are_scanned_and_their_tags_never_move(registry: Rendered) -> None:
    for repository in registry.of_type("AWS::ECR::Repository").values():
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository["ImageTagMutability"] == "IMMUTABLE"


def test_the_last_ten_images_are_kept(registry: Rendered) -> None:
    for repository in registry.of_type("AWS::ECR::Repository").values():
        policy = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])
        (rule,) = policy["rules"]
        assert rule["selection"] == {
            "tagStatus": "any",
            "countType": "imageCountMoreThan",
            "countNumber": 10,
        }
        assert rule["action"] == {"type": "expire"}


def test_a_delete_takes_the_images_along(registry: Rendered) -> None:
    for repository in registry.of_type("AWS::ECR::Repository").values():
        assert repository["EmptyOnDelete"] is True


def test_each_repository_is_given_away_by_uri_and_arn(
    registry: Rendered, settings: Settings
) -> None:
    assert set(registry.outputs) == {
        output.of(stage.name)
        for stage in settings.stages
        for output in (StageOutput.REPOSITORY_URI, StageOutput.REPOSITORY_ARN)
    }
