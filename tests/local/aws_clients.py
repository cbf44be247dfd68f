"""What tests ask of a local AWS, and how they wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.testing import LocalAws

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}


class Clients:
    """boto3 clients of one local AWS, made once each."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._made: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        name = service.replace("_", "-")
        if name not in self._made:
            self._made[name] = self._aws.client(name)
        return self._made[name]


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    """Return the first truthy value of `check`, or its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


class Tasks:
    def __init__(self, clients: Clients, cluster: str) -> None:
        self._clients, self._cluster = clients, cluster

    def run(self, definition: str, **request: Any) -> str:
        answer = self._clients.ecs.run_task(
            cluster=self._cluster,
            taskDefinition=definition,
            networkConfiguration=NETWORK,
            **request,
        )
        assert answer["failures"] == []
        return str(answer["tasks"][0]["taskArn"])

    def describe(self, arn: str) -> Any:
        return self._clients.ecs.describe_tasks(cluster=self._cluster, tasks=[arn])["tasks"][0]

    def wait(self, arn: str, status: str = "STOPPED", seconds: float = 20) -> Any:
        eventually(lambda: self.describe(arn)["lastStatus"] == status, seconds)
        task = self.describe(arn)
        assert task["lastStatus"] == status, task
        return task

    def output(self, arn: str, group: str) -> list[str]:
        stream = f"stage/stage/{arn.rsplit('/', 1)[1]}"
        try:
            events = self._clients.logs.get_log_events(logGroupName=group, logStreamName=stream)
        except self._clients.logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events["events"]]


def messages(clients: Clients, url: str, wanted: int = 1, seconds: float = 20) -> list[Any]:
    """Receive until there are `wanted` messages or the time is over."""
    found: list[Any] = []
    deadline = time.monotonic() + seconds
    while len(found) < wanted and time.monotonic() < deadline:
        answer = clients.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(message)
    return found
