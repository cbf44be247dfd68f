"""`!service_linked_roles`: a new account gets the roles with which AWS's services act for it.

ECS and Application Auto Scaling make theirs when they are first used, and use them at once, before
IAM has told of them everywhere: in a new account the cluster's creation fails, and succeeds when it
is tried again (aws-cloudformation/cloudformation-coverage-roadmap#818). So they are made some
stacks before they are needed. They belong to the account and stay when an environment goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from hooks.base import CheckedHook, NoArguments

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

SERVICES: Final = ("ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com")
"""Whose roles, by the services' names in IAM."""


class ServiceLinkedRoles(CheckedHook[NoArguments]):
    """Makes the roles that are missing."""

    def run(self) -> None:
        """Return when every role is there, or it is the service's turn to say that it is not."""
        for service in SERVICES:
            try:
                if create_role(self.client("iam"), service):
                    self.logger.info("Made the service-linked role of %s", service)
            except ClientError as error:
                if error.response["Error"]["Code"] != "AccessDenied":
                    raise
                # Most accounts have the role, and then nobody needs the right to make it.
                self.logger.warning(
                    "May not make sure that there is a service-linked role of %s", service
                )


def create_role(iam: IAMClient, service: str) -> bool:
    """Create a service's role; return whether it was missing.

    Raises:
        ClientError: AWS refuses it for another reason than that there is one.
    """
    try:
        iam.create_service_linked_role(AWSServiceName=service)
    except (
        iam.exceptions.EntityAlreadyExistsException,
        iam.exceptions.InvalidInputException,
    ) as error:
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html
        message = error.response["Error"].get("Message", "")
        if "has been taken" not in message and "already exists" not in message:
            raise
        return False
    return True
