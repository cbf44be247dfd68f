"""One local AWS for all tests of a worker, and what they make in it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local.testing import LocalAws, local_aws
from tests.local import stage_program
from tests.local.aws_clients import NETWORK, Clients, Tasks, eventually, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(scope="session")
def clients(aws: LocalAws) -> Clients:
    return Clients(aws)


@pytest.fixture
def unique() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


@pytest.fixture(scope="session")
def repository(clients: Clients) -> str:
    name = "tests/stage"
    clients.ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture(scope="session")
def image(aws: LocalAws, repository: str) -> str:
    return stage_program.push(aws, repository)


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
