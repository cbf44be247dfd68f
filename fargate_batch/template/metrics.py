"""The metrics that alarms and dashboard look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from batchkit.metrics import NAMESPACE, Metric

from fargate_batch.names import Output, StageOutput
from fargate_batch.template.metric_names import INSIGHTS, RUNNING_TASKS, SQS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Metrics:
    """Makes the metrics of one environment."""

    environment: str
    """The suffix."""
    wired: Callable[[str], str]
    """Takes another stack's output as a parameter."""

    def own(
        self, metric: Metric, *, minutes: int, statistic: str = "Sum", stage: str | None = None
    ) -> cloudwatch.Metric:
        """A metric that the tasks write into their logs, for the environment or one stage."""
        dimensions = {"Environment": self.environment}
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric.value,
            dimensions_map=dimensions if stage is None else {**dimensions, "Stage": stage},
            statistic=statistic,
            period=Duration.minutes(minutes),
        )

    def queue(
        self, stage: str, metric: str, queue: StageOutput = StageOutput.QUEUE_NAME
    ) -> cloudwatch.Metric:
        """A metric of one of a stage's two queues."""
        return cloudwatch.Metric(
            namespace=SQS,
            metric_name=metric,
            dimensions_map={"QueueName": self.wired(queue.of(stage))},
            statistic="Maximum",
            period=Duration.minutes(1),
        )

    def rule(self, name: str, metric: str, *, minutes: int = 5) -> cloudwatch.Metric:
        """A metric of a rule on the default bus, where S3's and ECS's events are."""
        return cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name=metric,
            dimensions_map={"RuleName": name},
            statistic="Sum",
            period=Duration.minutes(minutes),
        )

    def service(self, name: str, metric: str, *, namespace: str = "AWS/ECS") -> cloudwatch.Metric:
        """A metric of a stage's service."""
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=metric,
            dimensions_map={"ClusterName": self.wired(Output.CLUSTER_NAME), "ServiceName": name},
        )

    def tasks_of_service(self, name: str) -> cloudwatch.Metric:
        """How many tasks a service runs, as Container Insights counts them."""
        return self.service(name, RUNNING_TASKS, namespace=INSIGHTS)

    def tasks(self) -> cloudwatch.Metric:
        """How many tasks the cluster runs, those of rules included."""
        return cloudwatch.Metric(
            namespace=INSIGHTS,
            metric_name="TaskCount",
            dimensions_map={"ClusterName": self.wired(Output.CLUSTER_NAME)},
        )
