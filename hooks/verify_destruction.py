"""`!verify_destruction`: an environment is deleted whole or not at all."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from fargate_batch import project
from fargate_batch.errors import UserError
from hooks.base import NEVER_CREATED, CheckedHook, NoArguments

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from sceptre.stack import Stack

_checking: Final = Lock()
_allowed: Final[set[tuple[str, str]]] = set()


class VerifyDestruction(CheckedHook[NoArguments]):
    """Runs before the deletion of every stack and asks whether the whole environment may go.

    Sceptre deletes stack after stack, so a refusal that comes with the third stack comes too late:
    each stack asks for all of them, and the answer of one process is kept.
    """

    def run(self) -> None:
        """Return when nothing in the environment forbids its deletion.

        Raises:
            UserError: the settings do not allow destruction, or a stack of the environment is
                protected in its config or by CloudFormation's termination protection.
        """
        if self._was_never_created():
            return
        settings = self.settings()
        if not settings.allow_destruction:
            raise UserError(
                f"config/{settings.environment}/config.yaml says allow_destruction: false, so "
                f"nothing of {settings.environment} was deleted. Set it to true if its data may go."
            )
        folder = Path(self.stack.stack_group_config["project_path"])
        with _checking:
            if (str(folder), settings.environment) not in _allowed:
                stacks = project.read_stacks(folder, settings.environment)
                refuse_protected(stacks, settings.environment)
                refuse_termination_protected(
                    stacks, self.client("cloudformation"), settings.environment
                )
                _allowed.add((str(folder), settings.environment))

    def _was_never_created(self) -> bool:
        """Whether `launch` is only clearing away what its last attempt left."""
        described = self.described_stack()
        return described is not None and described["StackStatus"] in NEVER_CREATED


def refuse_protected(stacks: set[Stack], environment: str) -> None:
    """Refuse when a stack's config says `protect: true`.

    Raises:
        UserError: one does; the message names its file.
    """
    protected = sorted(f"config/{stack.name}.yaml" for stack in stacks if stack.protected)
    if protected:
        raise UserError(
            f"{', '.join(protected)} says protect: true, so nothing of {environment} was deleted. "
            "Remove it there if the stack may go."
        )


def refuse_termination_protected(
    stacks: set[Stack], cloudformation: CloudFormationClient, environment: str
) -> None:
    """Refuse when CloudFormation protects one of the stacks from termination.

    Raises:
        UserError: it does; the message gives the command that lifts the protection.
    """
    names = {stack.external_name for stack in stacks}
    protected = [
        stack["StackName"]
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackName"] in names and stack.get("EnableTerminationProtection")
    ]
    if protected:
        raise UserError(
            f"{', '.join(protected)} has termination protection, so nothing of {environment} was "
            "deleted. `aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {protected[0]}` lifts it."
        )
