"""The one kind of error that a person is meant to read."""

from __future__ import annotations

from sceptre.exceptions import SceptreException


class UserError(SceptreException):  # type: ignore[misc]  # Sceptre ships no types
    """Something the user can mend; the message says what, where and how.

    Sceptre prints its own exceptions as one line and exits with 1; anything else it shows as a
    traceback. So every error that a user should read derives from Sceptre's base class.
    """
