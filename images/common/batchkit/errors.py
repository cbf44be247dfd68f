"""What can end a piece of work, apart from success."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class Rejected(Exception):  # noqa: N818 - an outcome, not an error
    """The input cannot become a report, and trying again would not change that.

    It is a business outcome, not a failure: the run is recorded as `rejected`, the reason is
    written to runs/<run-id>/rejected.json, and the task ends with exit code 0.

    Args:
        reason: what is wrong and what to do about it, in the words of whoever made the file.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadEventError(Exception):
    """An event or a queue message does not name an S3 object; the message says why."""


class BadEnvironmentError(Exception):
    """The task's environment variables are missing or wrong; the message names them."""


class LostClaimError(Exception):
    """Another owner has taken the work over, so this one may not complete it."""


class UnknownRunError(Exception):
    """The ledger holds no run of that id."""


class NotDeadError(Exception):
    """A run that is not dead-lettered cannot be redriven; the message names its state."""


class UnknownStageError(Exception):
    """The catalogue has no such stage (any more), so its work has no queue."""


class ObjectConflictError(Exception):
    """An object that is written once exists already with other bytes."""


class ObjectGoneError(Exception):
    """The object, or the version of it that was asked for, does not exist (any more)."""


class CrashError(Exception):
    """A library ended with what is no `Exception`, as one in Rust does when it panics."""


def error_code(error: ClientError) -> str | None:
    """Return what AWS calls the reason for a refusal."""
    return error.response.get("Error", {}).get("Code")
