"""What this project's hooks share: checked arguments, the stack's own clients, its status."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, ValidationError
from sceptre.hooks import Hook

from fargate_batch import settings as settings_module
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from fargate_batch.settings import Settings

# Sceptre itself retries `Throttling` only; what hooks call is retried as botocore knows how to.
RETRIES: Final = Config(retries={"mode": "standard", "max_attempts": 8})
# A boto3 session may be shared between threads, but not while it makes a client.
_making_clients: Final = Lock()

# A stack in one of these holds nothing that anybody could miss: `launch` deletes it by itself.
# CloudFormation keeps such a stack for its events only.
NEVER_CREATED: Final = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")


class Arguments(BaseModel):
    """A hook's arguments; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoArguments(Arguments):
    """For hooks that take none."""


A = TypeVar("A", bound=Arguments)


class CheckedHook(Hook, Generic[A]):  # type: ignore[misc]  # Sceptre ships no types
    """A hook whose arguments are checked when its stack is read, before anything happens."""

    arguments_model: ClassVar[type[Arguments]] = NoArguments

    def setup(self) -> None:
        """Check the arguments' names and types as soon as the hook has its stack.

        Raises:
            UserError: an argument is missing, unknown or of the wrong type.
        """
        if self.stack is not None:
            self.arguments()

    def arguments(self) -> A:
        """The hook's arguments, checked.

        Raises:
            UserError: an argument is missing, unknown or of the wrong type.
        """
        given = {} if self._argument is None else self.argument
        try:
            return self.arguments_model.model_validate(given)  # type: ignore[return-value]
        except ValidationError as error:
            problems = "; ".join(
                ".".join(map(str, problem["loc"])) + ": " + problem["msg"]
                if problem["loc"]
                else problem["msg"]
                for problem in error.errors()
            )
            raise UserError(
                f"config/{self.stack.name}.yaml: hook {type(self).__name__}: {problems}"
            ) from error

    def settings(self) -> Settings:
        """The environment's settings.

        Raises:
            UserError: a setting is missing or out of range.
        """
        return settings_module.load(self.stack.sceptre_user_data)

    def client(self, service: str) -> Any:
        """A client with the stack's profile, region and role."""
        return client_of(self.stack, service)

    def described_stack(self) -> dict[str, Any] | None:
        """What CloudFormation says of the stack; None where it does not exist."""
        return describe_stack(self.client("cloudformation"), self.stack.external_name)


def client_of(stack: Any, service: str) -> Any:
    """A client with a stack's profile, region and role."""
    session = stack.connection_manager.get_session()
    with _making_clients:
        return session.client(service, config=RETRIES)


def describe_stack(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """What CloudFormation says of a stack; None where it does not exist."""
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    described: dict[str, Any] = stacks[0]
    return described


def outputs_of(described: dict[str, Any]) -> dict[str, str]:
    """A described stack's outputs by name."""
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def parameters_of(described: dict[str, Any]) -> dict[str, str]:
    """A described stack's parameters by name."""
    return {
        parameter["ParameterKey"]: parameter["ParameterValue"]
        for parameter in described.get("Parameters", [])
    }
