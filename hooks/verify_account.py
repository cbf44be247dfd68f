"""`!verify_account`: no stack is touched with the wrong credentials."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from sceptre.exceptions import InvalidAWSCredentialsError

from fargate_batch.errors import UserError
from hooks.base import CheckedHook, NoArguments

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

_asking: Final = Lock()
_known: Final[dict[tuple[str | None, ...], str]] = {}


class VerifyAccount(CheckedHook[NoArguments]):
    """Compares the account behind the credentials with the environment's `account_id`."""

    def run(self) -> None:
        """Return when the account is the expected one.

        Raises:
            UserError: there are no credentials, they are refused, or they are another account's.
        """
        expected = self.settings().account_id
        actual = self._account()
        if expected is not None and actual != expected:
            environment = self.settings().environment
            raise UserError(
                f"The credentials are account {actual}'s, but config/{environment}/config.yaml "
                f"says account_id: {expected}. Nothing was touched. Use credentials of {expected} "
                "(profile, AWS_PROFILE), or correct account_id."
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
            return account_of(self.client("sts"))
        except (InvalidAWSCredentialsError, BotoCoreError, ClientError) as error:
            raise UserError(
                f"AWS does not accept the credentials for config/{self.stack.name}.yaml: {error} "
                "Nothing was touched. Set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or `source local/activate` for the local AWS."
            ) from error


def account_of(sts: STSClient) -> str:
    """The 12 digits of the account that the client's credentials belong to."""
    return sts.get_caller_identity()["Account"]
