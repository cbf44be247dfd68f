"""`!verify_state`: a launch goes on where the last one ended, however that was.

What an earlier command began is waited for, what CloudFormation left half way is brought back where
nothing can be lost by it, and a stack that only its user can free is refused with the way out.
Sceptre by itself names the state only; a stack that is being changed it reports as being launched,
while what depends on it goes ahead.
"""

from __future__ import annotations

import time
from typing import Any, Final

from fargate_batch.errors import UserError
from hooks.base import CheckedHook, NoArguments
from hooks.stacks import POLL_SECONDS, failures_of

# What a user has to do about a stack that no update is accepted of.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
WAYS_OUT: Final = {
    # Its deletion was wanted, and would take its data along: not for a launch to finish.
    "DELETE_FAILED": "sceptre delete {path}.yaml",
    "ROLLBACK_FAILED": "sceptre delete {path}.yaml",
    # Somebody told CloudFormation not to roll back, to look at what it left.
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {name}",
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {name}",
}


class VerifyState(CheckedHook[NoArguments]):
    """Sees to it that CloudFormation can launch the stack; it belongs first before a launch."""

    def run(self) -> None:
        """Return when the stack can be launched.

        Raises:
            UserError: its last change left it stuck, a change does not end, or a stack that it
                depends on has failed during this command.
        """
        if self.stack.protected:
            # Sceptre refuses right after this; nothing may happen before.
            return
        self._refuse_after_failure()
        described = self.settled_stack()
        if described is not None and described["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            described = self._roll_back(described)
        elif described is not None and described["StackStatus"] == "ROLLBACK_FAILED":
            described = self._clear_away(described)
        if described is not None and described["StackStatus"] in WAYS_OUT:
            raise UserError(self._stuck(described))

    def _roll_back(self, described: dict[str, Any]) -> dict[str, Any] | None:
        """Roll back the rest, every resource of it: whatever stood in the way may be gone."""
        self.logger.info("Rolling back what an earlier update left")
        self.client("cloudformation").continue_update_rollback(StackName=described["StackName"])
        return self._settled_after_change()

    def _clear_away(self, described: dict[str, Any]) -> dict[str, Any] | None:
        """Delete a stack that never stood, as `launch` itself does in the states beside this."""
        self.logger.info("Deleting what a failed creation left")
        self.client("cloudformation").delete_stack(StackName=described["StackName"])
        return self._settled_after_change()

    def _settled_after_change(self) -> dict[str, Any] | None:
        # CloudFormation takes the request first and changes the status then.
        time.sleep(POLL_SECONDS)
        return self.settled_stack()

    def _refuse_after_failure(self) -> None:
        """Refuse when a stack that this one depends on does not stand.

        Sceptre goes on to the next level after a stack has failed: with outputs that the failed
        stack does not have, or with those of its last version.
        """
        for needed in self.stack.dependencies:
            described = self.settled_stack(needed)
            if described is None or self.stands(described):
                # One that does not exist is not this command's to launch; Sceptre says so.
                continue
            raise UserError(
                f"config/{self.stack.name}.yaml was left as it is, for it depends on config/"
                f"{needed.name}.yaml, whose stack is {described['StackStatus']}. What failed: "
                f"{failures_of(self.client('cloudformation'), described)}. Mend that and launch "
                "again; it goes on from here."
            )

    def _stuck(self, described: dict[str, Any]) -> str:
        status, name = described["StackStatus"], described["StackName"]
        failed = failures_of(self.client("cloudformation"), described)
        command = WAYS_OUT[status].format(path=self.stack.name, name=name)
        return (
            f"config/{self.stack.name}.yaml: its stack is {status} and cannot be launched. "
            f"What failed: {failed}. Mend that, then `{command}`, then launch again."
        )
