from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = [{"name": "EVENT_KEY", "value": 'a "quoted" key/ü.csv'}]


@pytest.fixture
def failures(clients: Any, queue: tuple[str, str], unique: str) -> str:
    """The URL of a queue that gets what a rule for failed tasks of the test's family matches."""
    url, arn = queue
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "group": [f"family:{unique}"],
            "lastStatus": ["STOPPED"],
            "$or": [
                {"containers": {"exitCode": [{"anything-but": 0}]}},
                {"stopCode": ["TaskFailedToStart"]},
            ],
        },
    }
    clients.events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def run(tasks: Any, definition: str, *command: str, **request: Any) -> str:
    override = {"name": "stage", "command": list(command), "environment": ENVIRONMENT}
    arn: str = tasks.run(definition, overrides={"containerOverrides": [override]}, **request)
    return arn


def test_a_failed_task_tells_what_it_was_asked_to_do(
    tasks: Any, define: Callable[..., str], failures: str, unique: str, messages: Any
) -> None:
    definition = define()
    tasks.wait(run(tasks, definition, "exit", "0"))
    arn = run(tasks, definition, "exit", "3", startedBy="someone")
    (message,) = messages(failures)
    event = json.loads(message["Body"])
    detail = event["detail"]
    assert event["resources"] == [arn] == [detail["taskArn"]]
    assert detail["group"] == f"family:{unique}"
    assert detail["startedBy"] == "someone"
    assert detail["stopCode"] == "EssentialContainerExited"
    (container,) = detail["containers"]
    assert (container["name"], container["exitCode"]) == ("stage", 3)
    (override,) = detail["overrides"]["containerOverrides"]
    assert override["name"] == "stage"
    assert override["environment"] == ENVIRONMENT
    assert detail["launchType"] == "FARGATE"
    assert detail["taskDefinitionArn"] == definition


def test_a_task_that_cannot_start_has_no_exit_code(
    tasks: Any,
    define: Callable[..., str],
    failures: str,
    aws: Any,
    repository: str,
    messages: Any,
) -> None:
    run(tasks, define(image=f"{aws.registry}/{repository}:no-such-tag"), "exit", "0")
    (message,) = messages(failures)
    detail = json.loads(message["Body"])["detail"]
    assert detail["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in detail["containers"][0]
    assert detail["overrides"]["containerOverrides"][0]["environment"] == ENVIRONMENT


def test_a_services_task_is_of_its_group(
    clients: Any,
    cluster: str,
    define: Callable[..., str],
    task_events: str,
    unique: str,
    network: dict[str, Any],
    messages: Any,
) -> None:
    clients.ecs.create_service(
        cluster=cluster,
        serviceName=unique,
        taskDefinition=define(),
        desiredCount=1,
        networkConfiguration=network,
    )
    detail = json.loads(messages(task_events)[0]["Body"])["detail"]
    clients.ecs.delete_service(cluster=cluster, service=unique, force=True)
    assert detail["group"] == f"service:{unique}"
    assert detail["startedBy"].startswith("ecs-svc/")
