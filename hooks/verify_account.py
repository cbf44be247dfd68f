"""`!verify_account`: no stack is touched with the wrong credentials, or where AWS has no region."""

from __future__ import annotations

from threading import Lock
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from sceptre.exceptions import InvalidAWSCredentialsError

from fargate_batch.aws_errors import PROBE, SET_CREDENTIALS, explained
from fargate_batch.errors import UserError
from fargate_batch.regions import refuse_unknown
from hooks.base import CheckedHook, NoArguments

_asking: Final = Lock()
_known: Final[dict[tuple[str | None, ...], str]] = {}


class VerifyAccount(CheckedHook[NoArguments]):
    """Compares the account behind the credentials with the environment's `account_id`.

    That its region exists shows without AWS, and so for commands too that ask nothing of it.
    """

    def setup(self) -> None:
        """Check the stack's region as soon as the hook has its stack.

        Raises:
            UserError: AWS has no such region, or the hook was given an argument.
        """
        super().setup()
        if self.stack is not None:
            environment = self.stack.name.split("/", 1)[0]
            refuse_unknown(self.stack.region, f"config/{environment}/config.yaml: region")

    def run(self) -> None:
        """Return when the account is the expected one.

        Raises:
            UserError: there are no credentials, they are refused, they are another account's, or
                AWS cannot be reached.
        """
        settings = self.settings()
        actual = self._account()
        if settings.account_id not in (None, actual):
            raise UserError(
                f"The credentials are account {actual}'s, but "
                f"config/{settings.environment}/config.yaml says account_id: "
                f"{settings.account_id}. Nothing was touched. Use credentials of "
                f"{settings.account_id} (AWS_PROFILE), or correct account_id."
            )

    def _account(self) -> str:
        """The account's id, asked for once for each set of credentials in a process."""
        connection = self.stack.connection_manager
        key = (connection.region, connection.profile, connection.sceptre_role)
        with _asking:
            if key not in _known:
                _known[key] = self._ask()
            return _known[key]

    def _ask(self) -> str:
        try:
            return str(self.client("sts", PROBE).get_caller_identity()["Account"])
        except InvalidAWSCredentialsError as error:
            why = f"There are no AWS credentials. {SET_CREDENTIALS}"
            raise UserError(self._untouched(why)) from error
        except (BotoCoreError, ClientError) as error:
            raise UserError(self._untouched(explained(error))) from error

    def _untouched(self, why: str) -> str:
        return f"config/{self.stack.name}.yaml: nothing was touched. {why}"
