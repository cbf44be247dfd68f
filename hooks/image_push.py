"""`!image_push`: builds and pushes the images of the stages that changed.

It belongs on the registry's stack, after_create and after_update, and reads from that stack's
outputs where each stage's image goes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from fargate_batch.aws_errors import explained
from fargate_batch.errors import UserError
from fargate_batch.names import StageOutput
from hooks.base import Arguments, CheckedHook
from hooks.stacks import outputs_of
from imaging import pushing
from imaging.engines import Choice  # noqa: TC001  # pydantic reads it when the class is made
from imaging.jobs import Wanted

if TYPE_CHECKING:
    from fargate_batch.settings import Settings


class ImagePushArguments(Arguments):
    """How to build."""

    engine: Choice = "auto"
    """With Docker, with Podman, with whichever answers (auto), or with none."""


class ImagePush(CheckedHook[ImagePushArguments]):
    """Pushes, once the registry's stack is complete, the images that its repositories lack."""

    arguments_model: ClassVar[type[Arguments]] = ImagePushArguments

    def run(self) -> None:
        """Push what is missing; do nothing when nothing is.

        Raises:
            UserError: an image cannot be made or pushed.
        """
        arguments, settings = self.arguments(), self.settings()
        try:
            described = self.described_stack()
            if described is None or not self.stands(described):
                status = described["StackStatus"] if described else "gone"
                self.logger.warning("No images are pushed: the stack is %s.", status)
                return
            pushing.push_changed(
                Wanted(
                    Path(self.stack.stack_group_config["project_path"]),
                    pushing.base_image(settings.base_image),
                    repository_uris(outputs_of(described), settings),
                ),
                self.client("ecr"),
                arguments.engine,
                lambda who, step: self.logger.info("%s: %s", who, step),
            )
        except (ClientError, BotoCoreError) as error:
            raise UserError(
                f"{self.stack.name}: the images cannot be pushed. {explained(error)}"
            ) from error


def repository_uris(outputs: dict[str, str], settings: Settings) -> dict[str, str]:
    """Each stage's repository, as the registry's stack says.

    Raises:
        UserError: it has none for some stage.
    """
    uris = {}
    for stage in settings.stages:
        name = StageOutput.REPOSITORY_URI.of(stage.name)
        if name not in outputs:
            raise UserError(
                f"There is no output {name}, so the image of {stage.name} has nowhere to go; "
                "!image_push belongs on the stack of templates/storage/registry.py."
            )
        uris[stage.name] = outputs[name]
    return uris
