from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.ecs.protection import is_protected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def may_protect(clients: Any, task_role: str, unique: str) -> str:
    """The test's task role, which may protect its task."""
    actions = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    clients.iam.put_role_policy(
        RoleName=unique, PolicyName="protect", PolicyDocument=json.dumps(document)
    )
    return task_role


@pytest.fixture
def running(clients: Any, cluster: str, unique: str) -> Callable[[], list[str]]:
    def arns() -> list[str]:
        listed = clients.ecs.list_tasks(cluster=cluster, serviceName=unique)["taskArns"]
        if not listed:
            return []
        described = clients.ecs.describe_tasks(cluster=cluster, tasks=listed)["tasks"]
        return [task["taskArn"] for task in described if task["lastStatus"] == "RUNNING"]

    return arns


@pytest.fixture
def service(
    clients: Any,
    cluster: str,
    define: Callable[..., str],
    unique: str,
    network: dict[str, Any],
    running: Callable[[], list[str]],
    eventually: Callable[..., Any],
    may_protect: str,
) -> Iterator[list[str]]:
    """The tasks of a service of two."""
    clients.ecs.create_service(
        cluster=cluster,
        serviceName=unique,
        taskDefinition=define(
            task={"taskRoleArn": may_protect},
            command=["environment-and-sleep", "60"],
        ),
        desiredCount=2,
        networkConfiguration=network,
    )
    assert eventually(lambda: len(running()) == 2)
    yield running()
    clients.ecs.delete_service(cluster=cluster, service=unique, force=True)


def agent(url: str, body: Any = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the local AWS's own
        f"{url}/task-protection/v1/state",
        data=None if body is None else json.dumps(body).encode(),
        method="GET" if body is None else "PUT",
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


@pytest.fixture
def agent_of(tasks: Any, unique: str, eventually: Callable[..., Any]) -> Callable[[str], str]:
    def uri(arn: str) -> str:
        (line,) = eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
        return str(json.loads(line)["ECS_AGENT_URI"])

    return uri


def test_a_task_that_protects_itself_is_not_scaled_in(
    clients: Any,
    cluster: str,
    unique: str,
    service: list[str],
    running: Callable[[], list[str]],
    agent_of: Callable[[str], str],
    eventually: Callable[..., Any],
) -> None:
    newest = max(
        clients.ecs.describe_tasks(cluster=cluster, tasks=service)["tasks"],
        key=lambda task: task["createdAt"],
    )["taskArn"]
    url = agent_of(newest)
    told = agent(url, {"ProtectionEnabled": True, "ExpiresInMinutes": 5})["protection"]
    assert (told["ProtectionEnabled"], told["TaskArn"]) == (True, newest)
    clients.ecs.update_service(cluster=cluster, service=unique, desiredCount=1)
    assert eventually(lambda: running() == [newest]), running()
    clients.ecs.update_service(cluster=cluster, service=unique, desiredCount=0)
    time.sleep(2.5)  # longer than a tick of the scheduler
    assert running() == [newest]
    assert agent(url)["protection"]["ProtectionEnabled"] is True
    told = agent(url, {"ProtectionEnabled": False})["protection"]
    assert told == {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": newest}
    assert eventually(lambda: running() == [])


def test_the_api_protects_tasks_of_services_only(
    clients: Any,
    cluster: str,
    tasks: Any,
    service: list[str],
    unique: str,
) -> None:
    alone = tasks.run(f"{unique}:1")
    answer = clients.ecs.update_task_protection(
        cluster=cluster, tasks=[service[0], alone, "0" * 32], protectionEnabled=True
    )
    (told,) = answer["protectedTasks"]
    assert (told["taskArn"], told["protectionEnabled"]) == (service[0], True)
    assert told["expirationDate"].timestamp() == pytest.approx(time.time() + 7200, abs=10)
    assert [one["reason"] for one in answer["failures"]] == ["TASK_NOT_VALID", "MISSING"]
    (told,) = clients.ecs.get_task_protection(cluster=cluster, tasks=[service[1]])["protectedTasks"]
    assert told == {"taskArn": service[1], "protectionEnabled": False}
    # Somebody who stops it by name is obeyed.
    clients.ecs.stop_task(cluster=cluster, task=service[0], reason="by hand")
    assert tasks.wait(service[0])["stopCode"] == "UserInitiated"


def test_the_agent_says_what_is_wrong(
    clients: Any,
    service: list[str],
    agent_of: Callable[[str], str],
    unique: str,
) -> None:
    url = agent_of(service[0])
    refused = agent(url, {"ProtectionEnabled": True, "ExpiresInMinutes": 3000})["error"]
    assert refused["Code"] == "InvalidParameterException"
    assert "ProtectionEnabled" in agent(url, {})["error"]["Message"]
    clients.iam.delete_role_policy(RoleName=unique, PolicyName="protect")
    refused = agent(url, {"ProtectionEnabled": True})["error"]
    assert refused["Code"] == "AccessDeniedException"
    assert "ecs:UpdateTaskProtection" in refused["Message"]


def test_too_long_a_protection_is_refused(clients: Any, cluster: str) -> None:
    with pytest.raises(ClientError, match="2880"):
        clients.ecs.update_task_protection(
            cluster=cluster, tasks=["x"], protectionEnabled=True, expiresInMinutes=2881
        )


def test_protection_expires() -> None:
    assert is_protected({"_protected_until": 10.0}, 9.9)
    assert not is_protected({"_protected_until": 10.0}, 10.0)
    assert not is_protected({"_protected_until": None}, 0.0)
