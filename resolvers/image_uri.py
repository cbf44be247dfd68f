"""`!image_uri <stage>`: the digest of a stage's image in the environment's registry."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from sceptre.helpers import get_external_stack_name
from sceptre.resolvers import Resolver

from fargate_batch import settings as settings_module
from fargate_batch.aws_errors import explained
from fargate_batch.errors import UserError
from fargate_batch.names import StackPath
from hooks.base import client_of
from hooks.image_push import repository_uris
from hooks.stacks import describe_stack, outputs_of
from imaging import jobs, pushing
from imaging.jobs import Wanted

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from imaging.jobs import Job

_asking: Final = Lock()
# What cannot change while a command runs: a stack's outputs once it is there, and the digest of a
# tag that stands for its content.
_outputs: Final[dict[tuple[str, str], dict[str, str]]] = {}
_digests: Final[dict[tuple[str, str], str]] = {}


class ImageUri(Resolver):  # type: ignore[misc]  # Sceptre ships no types
    """Resolves to `<repository uri>@sha256:...`, the image of the sources as they are now.

    Where it cannot (nothing launched yet, sources changed), `sceptre generate`, `validate` and
    `diff` show a placeholder instead, as they do for `!stack_output`.
    """

    def setup(self) -> None:
        """Let the stack that uses the image wait for the registry, whose hook pushes it."""
        if self.stack is not None:
            self.stack.dependencies.append(f"{_registry_of(self.stack)}.yaml")

    def resolve(self) -> str:
        """Look the image up.

        Raises:
            UserError: there is no such stage, no registry yet, or no image of these sources in it.
        """
        settings = settings_module.load(self.stack.sceptre_user_data)
        stage = settings.stage(str(self.argument)).name
        project = Path(self.stack.stack_group_config["project_path"])
        # One at a time, so that the second who asks finds what the first has learnt.
        with _asking:
            try:
                uri = _repositories(self.stack, settings)[stage]
                base_image = pushing.base_image(settings.base_image)
                job = jobs.of(Wanted(project, base_image, {stage: uri}))[0]
                return f"{uri}@{_digest(self.stack, job)}"
            except (ClientError, BotoCoreError) as error:
                raise UserError(f"!image_uri {stage}: {explained(error)}") from error


def _registry_of(stack: Any) -> str:
    """The Sceptre name of the registry's stack in the environment of `stack`."""
    environment = str(stack.name).split("/", maxsplit=1)[0]
    return f"{environment}/{StackPath.REGISTRY}"


def _repositories(stack: Any, settings: Settings) -> dict[str, str]:
    registry = _registry_of(stack)
    name = get_external_stack_name(stack.project_code, registry)
    cloudformation = client_of(stack, "cloudformation")
    key = (cloudformation.meta.endpoint_url, name)
    if key not in _outputs:
        described = describe_stack(cloudformation, name)
        if described is None:
            raise UserError(
                f"There is no registry in this environment yet; `sceptre launch {registry}.yaml` "
                "makes it and pushes the images."
            )
        _outputs[key] = outputs_of(described)
    return repository_uris(_outputs[key], settings)


def _digest(stack: Any, job: Job) -> str:
    key = (job.uri, job.tag)
    if key not in _digests:
        found = jobs.digest(client_of(stack, "ecr"), job)
        if found is None:
            raise UserError(
                f"The image of {job.stage} as its sources are now is not in {job.uri} yet; "
                f"`sceptre launch {_registry_of(stack)}.yaml` pushes it."
            )
        _digests[key] = found[0]
    return _digests[key]
