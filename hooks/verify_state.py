"""`!verify_state`: a stack that is stuck is not launched, and the message says how to free it.

Sceptre by itself names the state only; and a stack that somebody else is changing it reports as
being launched, while what depends on it goes ahead.
"""

from __future__ import annotations

from typing import Any, Final

from fargate_batch.errors import UserError
from hooks.base import CheckedHook, NoArguments, failed_resources

_DELETE: Final = "sceptre delete {path}.yaml"
# What moves a stack out of a state that no update is accepted in.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
WAYS_OUT: Final = {
    "DELETE_FAILED": _DELETE,
    "ROLLBACK_FAILED": _DELETE,
    "UPDATE_FAILED": "aws cloudformation rollback-stack --stack-name {name}",
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {name}",
}


class VerifyState(CheckedHook[NoArguments]):
    """Refuses to launch a stack that CloudFormation would not accept an update of."""

    def run(self) -> None:
        """Return when the stack can be launched.

        Raises:
            UserError: its last change failed and left it stuck, or a change is going on.
        """
        described = self.described_stack()
        if described is None:
            return
        if is_changing(described):
            raise UserError(
                f"config/{self.stack.name}.yaml: its stack is {described['StackStatus']}, so "
                f"somebody else is changing it. `sceptre status {self.stack.name}.yaml` says when "
                "that is over; launch again then."
            )
        if described["StackStatus"] in WAYS_OUT:
            raise UserError(self._stuck(described))

    def _stuck(self, described: dict[str, Any]) -> str:
        status, name = described["StackStatus"], described["StackName"]
        failed = failed_resources(self.client("cloudformation"), name)
        command = WAYS_OUT[status].format(path=self.stack.name, name=name)
        return (
            f"config/{self.stack.name}.yaml: its stack is {status} and cannot be launched. "
            f"What failed: {', '.join(failed) or described.get('StackStatusReason', 'not told')}. "
            f"Mend that, then `{command}`, then launch again."
        )


def is_changing(described: dict[str, Any]) -> bool:
    """Whether CloudFormation is at work on a described stack."""
    status = described["StackStatus"]
    # A change set that nobody executed: `launch` clears it away.
    return bool(status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS")
