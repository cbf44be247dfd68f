"""`!verify_destruction`: an environment is deleted whole or not at all."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from fargate_batch import project
from fargate_batch.errors import UserError
from hooks.base import CheckedHook, NoArguments
from hooks.stacks import NEVER_CREATED, describe_stack, failures_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from sceptre.stack import Stack

_checking: Final = Lock()
# The stacks of each project and environment that may be destroyed.
_allowed: Final[dict[tuple[Path, str], set[Stack]]] = {}


class VerifyDestruction(CheckedHook[NoArguments]):
    """Runs before the deletion of every stack and asks whether the whole environment may go.

    Sceptre deletes stack after stack, so a refusal that comes with the third stack comes too late:
    each stack asks for all of them, and the answer of one process is kept.
    """

    def run(self) -> None:
        """Return when nothing forbids the deletion.

        Raises:
            UserError: the settings do not allow destruction; a stack of the environment is
                protected in its config or by CloudFormation's termination protection; the
                deletion of a stack that depends on this one has failed; or an earlier change of
                this one does not end.
        """
        if self._was_never_created():
            return
        settings = self.settings()
        if not settings.allow_destruction:
            raise UserError(
                f"config/{settings.environment}/config.yaml says allow_destruction: false, so "
                f"nothing of {settings.environment} was deleted. Set it to true if its data may go."
            )
        stacks = self._stacks_that_may_go(settings.environment)
        # CloudFormation deletes nothing that it is changing, and the hooks after this one look at
        # what stands.
        self.settled_stack()
        refuse_after_failure(self.stack, stacks, self.client("cloudformation"))

    def _was_never_created(self) -> bool:
        """Whether only what a failed launch left is cleared away, as `launch` itself does."""
        described = self.described_stack()
        return described is not None and described["StackStatus"] in NEVER_CREATED

    def _stacks_that_may_go(self, environment: str) -> set[Stack]:
        folder = Path(self.stack.stack_group_config["project_path"])
        with _checking:
            if (folder, environment) not in _allowed:
                stacks = project.read_stacks(folder, environment)
                refuse_protected(stacks, environment)
                refuse_termination_protected(stacks, self.client("cloudformation"), environment)
                _allowed[folder, environment] = stacks
            return _allowed[folder, environment]


def refuse_protected(stacks: set[Stack], environment: str) -> None:
    """Refuse when a stack's config says `protect: true`.

    Raises:
        UserError: one does; the message names its file.
    """
    protected = sorted(f"config/{stack.name}.yaml" for stack in stacks if stack.protected)
    if protected:
        raise UserError(
            f"protect: true in {', '.join(protected)}, so nothing of {environment} was deleted. "
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
    protected = sorted(
        stack["StackName"]
        for page in cloudformation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackName"] in names and stack.get("EnableTerminationProtection")
    )
    if protected:
        raise UserError(
            f"Termination protection is on for {', '.join(protected)}, so nothing of {environment} "
            "was deleted. `aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {protected[0]}` lifts it."
        )


def refuse_after_failure(
    stack: Stack, stacks: set[Stack], cloudformation: CloudFormationClient
) -> None:
    """Refuse when a stack that depends on this one could not be deleted.

    Sceptre goes on to the next level after a stack's deletion has failed. What the failed stack
    still needs would go from under it, and data with it.

    Raises:
        UserError: there is one; the message says on which of its resources it failed.
    """
    for dependent in stacks:
        if stack.name not in {needed.name for needed in dependent.dependencies}:
            continue
        described = describe_stack(cloudformation, dependent.external_name)
        if described is not None and described["StackStatus"] == "DELETE_FAILED":
            raise UserError(
                f"config/{dependent.name}.yaml: its stack could not be deleted, so config/"
                f"{stack.name}.yaml, which it depends on, was left as it is. What failed: "
                f"{failures_of(cloudformation, described)}. "
                "Mend that and give the same command again; it goes on from here."
            )
