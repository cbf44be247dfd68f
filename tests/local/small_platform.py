"""The least that runs tasks in a local AWS of a test's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from local.runner.commands import host_python
from tests.local import registry_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.testing import LocalAws

CLUSTER_ARN: Final = "arn:aws:ecs:eu-west-1:123456789012:cluster/c"
STAGE: Final = "import time; time.sleep(60)"
NETWORK: Final = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


class Platform:
    """A cluster with an image, a task definition and a queue that is told of tasks that stop."""

    def __init__(self, aws: LocalAws) -> None:
        self.ecs, sqs = aws.client("ecs"), aws.client("sqs")
        aws.client("ecr").create_repository(repositoryName="stage")
        configuration = {
            "Entrypoint": ["python3", "-m", "stage"],
            "Env": ["PYTHONPATH=/code"],
            "Labels": {"batch.host-python": host_python()},
        }
        layer = registry_client.layer({"code/stage.py": STAGE})
        digest = registry_client.push_image(aws.endpoint, "stage", "1", configuration, [layer])
        self.ecs.create_cluster(clusterName="c")
        self.image = f"{aws.registry}/stage@{digest}"
        self.definition = self.define()
        arn = "arn:aws:sqs:eu-west-1:123456789012:stopped"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Statement": [statement]})
        self.url = sqs.create_queue(QueueName="stopped", Attributes={"Policy": policy})["QueueUrl"]
        events = aws.client("events")
        pattern = {
            "source": ["aws.ecs"],
            "detail": {"lastStatus": ["STOPPED"], "group": ["family:f"]},
        }
        events.put_rule(Name="stopped", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="stopped", Targets=[{"Id": "queue", "Arn": arn}])

    def define(self) -> str:
        """Register another revision; return its ARN."""
        told = self.ecs.register_task_definition(
            family="f",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "stage", "image": self.image}],
        )
        return str(told["taskDefinition"]["taskDefinitionArn"])

    def run(self) -> str:
        answer = self.ecs.run_task(
            cluster="c",
            taskDefinition="f",
            networkConfiguration=NETWORK,
            overrides={"containerOverrides": [{"name": "stage", "command": ["sleep", "60"]}]},
        )
        return str(answer["tasks"][0]["taskArn"])

    def service(self, count: int) -> Callable[[], list[str]]:
        self.ecs.create_service(
            cluster="c",
            serviceName="s",
            taskDefinition="f",
            desiredCount=count,
            networkConfiguration=NETWORK,
        )
        return lambda: self.ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]

    def status(self, *arns: str) -> str:
        tasks = self.ecs.describe_tasks(cluster="c", tasks=list(arns))["tasks"]
        return "".join(str(task["lastStatus"]) for task in tasks)
