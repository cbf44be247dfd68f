"""What this project's hooks share: checked arguments, the stack's own clients, its status."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from sceptre.hooks import Hook

from fargate_batch import settings as settings_module
from fargate_batch.aws_errors import PATIENT
from fargate_batch.errors import UserError
from hooks.stacks import STANDING, describe_stack, settled_stack

if TYPE_CHECKING:
    from botocore.config import Config
    from sceptre.stack import Stack

    from fargate_batch.settings import Settings

# A boto3 session may be shared between threads, but not while it makes a client.
_making_clients: Final = Lock()


class Arguments(BaseModel):
    """A hook's arguments; an unknown one is refused, and so is one of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoArguments(Arguments):
    """For hooks that take none."""


A = TypeVar("A", bound=Arguments)


class CheckedHook(Hook, Generic[A]):  # type: ignore[misc]  # Sceptre ships no types
    """A hook whose arguments are checked when its stack is read, before anything happens."""

    arguments_model: ClassVar[type[Arguments]] = NoArguments

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._made = datetime.now(UTC)

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
            UserError: an argument is missing, unknown or of the wrong type; the message names the
                stack's file, the hook as that file writes it, and the argument.
        """
        # A tag without anything behind it arrives as None or, from YAML, as an empty text.
        given = {} if self.argument in (None, "") else self.argument
        try:
            return self.arguments_model.model_validate(given)  # type: ignore[return-value]
        except ValidationError as error:
            problems = "; ".join(
                ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
                for problem in error.errors()
            )
            raise self.wrong(problems) from error

    def wrong(self, problem: str) -> UserError:
        """The error to raise where the stack's file gives the hook what it cannot work with."""
        # Stack files write a hook as its module is called.
        tag = f"!{type(self).__module__.rsplit('.', 1)[-1]}"
        return UserError(f"config/{self.stack.name}.yaml: hook {tag}: {problem}")

    def settings(self) -> Settings:
        """The environment's settings.

        Raises:
            UserError: a setting is missing or out of range.
        """
        return settings_module.load(self.stack.sceptre_user_data)

    def client(self, service: str, config: Config = PATIENT) -> Any:
        """A client with the stack's profile, region and role."""
        return client_of(self.stack, service, config)

    def described_stack(self) -> dict[str, Any] | None:
        """What CloudFormation says of the stack; None where it does not exist."""
        return describe_stack(self.client("cloudformation"), self.stack.external_name)

    def settled_stack(self, stack: Stack | None = None) -> dict[str, Any] | None:
        """What CloudFormation says of the stack, or of another one, once nothing changes it.

        A command that was killed leaves its stack to CloudFormation, which goes on by itself; the
        next command takes over from there. None where the stack does not exist.

        Raises:
            UserError: the change does not end.
        """
        stack = stack or self.stack
        return settled_stack(
            self.client("cloudformation"),
            stack.external_name,
            lambda status: self.logger.info(
                "%s is %s since an earlier command; waiting for its end", stack.name, status
            ),
        )

    def stands(self, described: dict[str, Any]) -> bool:
        """Whether the stack is as it should be; Sceptre runs `after_` hooks after a failure too.

        So is one that an earlier command left rolled back and that this one had nothing to change
        in: what the hook does may be all that is missing.
        """
        if described["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE":
            return bool(described.get("LastUpdatedTime", self._made) < self._made)
        return described["StackStatus"] in STANDING


def client_of(stack: Any, service: str, config: Config = PATIENT) -> Any:
    """A client with a stack's profile, region and role.

    Sceptre's own clients retry `Throttling` only; this one is retried as botocore knows how to.
    """
    session = stack.connection_manager.get_session()
    with _making_clients:
        return session.client(service, config=config)
