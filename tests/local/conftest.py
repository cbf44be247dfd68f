"""One local AWS for all tests of a worker, and what they make in it."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.runner.commands import host_python
from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _sibling(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


registry_client = _sibling("registry_client")


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


class Clients:
    """boto3 clients of one local AWS, made once each."""

    def __init__(self, aws: LocalAws) -> None:
        self._session = boto3.session.Session(
            aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=aws.region,
        )
        self._endpoint = aws.endpoint
        self._made: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        name = service.replace("_", "-")
        if name not in self._made:
            make: Any = self._session.client
            self._made[name] = make(name, endpoint_url=self._endpoint)
        return self._made[name]


@pytest.fixture(scope="session")
def clients(aws: LocalAws) -> Clients:
    return Clients(aws)


@pytest.fixture(scope="session")
def clients_of() -> Callable[[LocalAws], Clients]:
    """Makes the clients of another local AWS than the one that the tests share."""
    return Clients


@pytest.fixture
def unique() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    """Return the first truthy value of `check`, or its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


STAGE = """
import json, os, signal, sys, time
def stop(*_):
    print("got SIGTERM", flush=True)
    time.sleep(float(os.environ.get("STOP_SECONDS", "0")))
    sys.exit(int(os.environ.get("STOP_CODE", "0")))
signal.signal(signal.SIGTERM, stop)
command = sys.argv[1]
if command == "environment":
    print(json.dumps(dict(os.environ)), flush=True)
elif command == "environment-and-sleep":
    print(json.dumps(dict(os.environ)), flush=True)
    time.sleep(float(sys.argv[2]))
elif command == "print":
    print(sys.argv[2], flush=True)
elif command == "exit":
    sys.exit(int(sys.argv[2]))
elif command == "allocate":
    block = bytearray(int(sys.argv[2]) << 20)
    time.sleep(60)
elif command == "sleep":
    print("sleeping", flush=True)
    time.sleep(float(sys.argv[2]))
elif command == "write":
    open("/".join([os.environ["TMPDIR"], "here"]), "w").write("x")
    print("written", flush=True)
"""
HEALTH = """
import os, sys
sys.exit(0 if os.path.exists(os.environ["TMPDIR"] + "/healthy") else 1)
"""


@pytest.fixture(scope="session")
def repository(clients: Clients) -> str:
    name = "tests/stage"
    clients.ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture(scope="session")
def image(aws: LocalAws, repository: str) -> str:
    """The reference of a host image whose entry point is STAGE."""
    digest = registry_client.push_image(
        aws.endpoint,
        repository,
        "stage",
        {
            "Entrypoint": ["python3", "-m", "stage"],
            "Cmd": ["sleep", "60"],
            "Env": ["PYTHONPATH=/opt/batch/code", "HOME=/tmp"],
            "WorkingDir": "/opt/batch/code",
            "Labels": {"batch.host-python": host_python()},
        },
        [
            registry_client.layer(
                {"opt/batch/code/stage.py": STAGE, "opt/batch/code/health.py": HEALTH}
            )
        ],
    )
    return f"{aws.registry}/{repository}@{digest}"


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="session")
def execution_role(clients: Clients) -> str:
    role = clients.iam.create_role(RoleName="execution", AssumeRolePolicyDocument=TRUST)
    return str(role["Role"]["Arn"])


@pytest.fixture
def task_role(clients: Clients, unique: str) -> str:
    """A role that may do nothing but read one bucket, which is named like the test."""
    role = clients.iam.create_role(RoleName=unique, AssumeRolePolicyDocument=TRUST)
    clients.iam.put_role_policy(
        RoleName=unique,
        PolicyName="read",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["s3:ListBucket"],
                        "Resource": [f"arn:aws:s3:::{unique}"],
                    }
                ],
            }
        ),
    )
    return str(role["Role"]["Arn"])


@pytest.fixture(scope="session")
def cluster(clients: Clients) -> str:
    name = "tests"
    clients.ecs.create_cluster(
        clusterName=name,
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
    )
    return name


NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}


@pytest.fixture(scope="session")
def network() -> dict[str, Any]:
    return NETWORK


@pytest.fixture
def define(clients: Clients, image: str, unique: str, execution_role: str) -> Callable[..., str]:
    """Registers a task definition and returns its ARN."""

    def register(*, task: dict[str, Any] | None = None, **container: Any) -> str:
        clients.logs.create_log_group(logGroupName=f"/tests/{unique}")
        answer = clients.ecs.register_task_definition(
            **{
                "family": unique,
                "requiresCompatibilities": ["FARGATE"],
                "networkMode": "awsvpc",
                "cpu": "256",
                "memory": "512",
                "executionRoleArn": execution_role,
                "containerDefinitions": [
                    {
                        "name": "stage",
                        "image": image,
                        "logConfiguration": {
                            "logDriver": "awslogs",
                            "options": {
                                "awslogs-group": f"/tests/{unique}",
                                "awslogs-region": "eu-west-1",
                                "awslogs-stream-prefix": "stage",
                            },
                        },
                        **container,
                    }
                ],
                **(task or {}),
            }
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    return register


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


@pytest.fixture
def tasks(clients: Clients, cluster: str) -> Tasks:
    return Tasks(clients, cluster)


@pytest.fixture
def queue(clients: Clients, unique: str) -> tuple[str, str]:
    """URL and ARN of a queue that takes messages from rules and topics."""
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{unique}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    url = clients.sqs.create_queue(QueueName=unique, Attributes={"Policy": json.dumps(policy)})
    return url["QueueUrl"], arn


@pytest.fixture
def events_role(clients: Clients, unique: str, cluster: str) -> str:
    """A role with which a rule may run the test's family in the tests' cluster."""
    region = "eu-west-1:123456789012"
    statements = [
        {
            "Effect": "Allow",
            "Action": "ecs:RunTask",
            "Resource": f"arn:aws:ecs:{region}:task-definition/{unique}:*",
            "Condition": {"ArnEquals": {"ecs:cluster": f"arn:aws:ecs:{region}:cluster/{cluster}"}},
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::123456789012:role/execution",
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
    ]
    role = clients.iam.create_role(RoleName=f"{unique}-events", AssumeRolePolicyDocument=TRUST)
    clients.iam.put_role_policy(
        RoleName=f"{unique}-events",
        PolicyName="run",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    return str(role["Role"]["Arn"])


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


@pytest.fixture(name="messages")
def messages_fixture(clients: Clients) -> Callable[..., list[Any]]:
    return lambda url, wanted=1, seconds=20: messages(clients, url, wanted, seconds)


@pytest.fixture
def task_events(clients: Clients, queue: tuple[str, str], unique: str) -> str:
    """The URL of a queue that gets every task state change of the test's family."""
    url, arn = queue
    clients.events.put_rule(
        Name=unique,
        EventPattern=json.dumps(
            {
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {"taskDefinitionArn": [{"wildcard": f"*task-definition/{unique}:*"}]},
            }
        ),
    )
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": arn}])
    return url
