from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from hooks.service_linked_roles import SERVICES, ServiceLinkedRoles

if TYPE_CHECKING:
    from collections.abc import Callable

ENCRYPTION = "dev/storage/encryption"
TAKEN = (
    "InvalidInput",
    "Service role name AWSServiceRoleForECS has been taken in this account, try another suffix.",
)


def hook(project: Any) -> Any:
    return project.hook(ENCRYPTION, "before_create", ServiceLinkedRoles)


def refuse(recorded: Any, code: str, message: str, service: str) -> None:
    recorded["iam"].add_client_error(
        "create_service_linked_role", code, message, expected_params={"AWSServiceName": service}
    )


def test_a_new_account_gets_the_roles_that_ecs_and_its_scaling_need(
    project: Any, recorded: Any
) -> None:
    for service in SERVICES:
        recorded["iam"].add_response("create_service_linked_role", {}, {"AWSServiceName": service})
    hook(project).run()


def test_roles_that_are_there_are_left_alone(project: Any, recorded: Any) -> None:
    for service in SERVICES:
        refuse(recorded, *TAKEN, service)
    hook(project).run()


def test_who_may_not_make_roles_is_warned_and_goes_on(
    project: Any, recorded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for service in SERVICES:
        refuse(recorded, "AccessDenied", "not authorized", service)
    with caplog.at_level(logging.WARNING):
        hook(project).run()
    assert all(service in caplog.text for service in SERVICES)


def test_another_refusal_ends_the_launch(project: Any, recorded: Any) -> None:
    refuse(recorded, "InvalidInput", "no such service", SERVICES[0])
    with pytest.raises(ClientError, match="no such service"):
        hook(project).run()


def test_the_local_aws_makes_them_once(
    project: Any, client: Callable[[str], Any], on_local_aws: Any
) -> None:
    assert on_local_aws
    hook(project).run()
    hook(project).run()
    paths = [role["Path"] for role in client("iam").list_roles()["Roles"]]
    assert paths.count("/aws-service-role/ecs.amazonaws.com/") == 1
