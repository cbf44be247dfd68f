"""For each stage the repository of its images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from troposphere import GetAtt, Sub, Template, ecr

from fargate_batch.names import GivenNames, StageOutput
from fargate_batch.template.parts import give, new_template, rendered

if TYPE_CHECKING:
    from fargate_batch.settings import Settings

KEPT_IMAGES = 10


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The stages' repositories."""
    names = GivenNames(environment.project)
    template = new_template("Repositories of the stages' images")
    lifecycle = {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Keep the last {KEPT_IMAGES} images",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": KEPT_IMAGES,
                },
                "action": {"type": "expire"},
            }
        ]
    }
    for stage in environment.stages:
        repository = template.add_resource(
            ecr.Repository(
                f"{stage.logical_id}Repository",
                RepositoryName=Sub(names.repository(stage.name)),
                ImageTagMutability="IMMUTABLE",
                ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
                LifecyclePolicy=ecr.LifecyclePolicy(
                    LifecyclePolicyText=json.dumps(lifecycle, separators=(",", ":"))
                ),
                EmptyOnDelete=True,
            )
        )
        give(
            template,
            StageOutput.REPOSITORY_URI.of(stage.name),
            GetAtt(repository, "RepositoryUri"),
        )
        give(template, StageOutput.REPOSITORY_ARN.of(stage.name), GetAtt(repository, "Arn"))
    return template
