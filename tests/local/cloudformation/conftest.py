"""Stacks that tests make, and what CloudFormation says of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Resources = dict[str, Any]


@pytest.fixture
def stack(clients: Any, unique: str) -> Callable[..., dict[str, Any]]:
    """Creates or updates the test's stack, waits, and returns it."""

    def apply(resources: Resources, **options: Any) -> dict[str, Any]:
        cloudformation = clients.cloudformation
        body = json.dumps({"Resources": resources})
        existing = [
            one["StackName"]
            for one in cloudformation.describe_stacks()["Stacks"]
            if one["StackName"] == unique
        ]
        call = cloudformation.update_stack if existing else cloudformation.create_stack
        call(StackName=unique, TemplateBody=body, **options)
        return settled(clients, unique)

    return apply


def settled(clients: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        (found,) = clients.cloudformation.describe_stacks(StackName=name)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            return dict(found)
        time.sleep(0.1)


def failure(clients: Any, name: str) -> str:
    events = clients.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        str(event.get("ResourceStatusReason"))
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    )


def delete(clients: Any, name: str) -> str:
    stack_id = clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    clients.cloudformation.delete_stack(StackName=name)
    return str(settled(clients, stack_id)["StackStatus"])
