"""`!stop_tasks`: before network and cluster go, whatever runs in the cluster is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Final

from botocore.exceptions import ClientError
from pydantic import Field

from fargate_batch.errors import UserError
from hooks.base import NEVER_CREATED, Arguments, CheckedHook, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient

# A task may take its stop timeout, at most 120 s on Fargate, and then some to give back its ENI.
LONGEST_WAIT_SECONDS: Final = 300
POLL_SECONDS: Final = 2
# As many as ECS describes in one call.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
BATCH: Final = 100


class StopTasksArguments(Arguments):
    """Which cluster."""

    cluster_parameter: str = Field(min_length=1)
    """The name of the stack's own parameter that holds the cluster's name. It is read from the
    deployed stack, since at deletion no resolver may be relied on."""


class StopTasks(CheckedHook[StopTasksArguments]):
    """Stops every task of the cluster and waits until the last one is gone."""

    arguments_model: ClassVar[type[Arguments]] = StopTasksArguments

    def run(self) -> None:
        """Return when nothing runs any more.

        Raises:
            UserError: a task does not stop in time.
        """
        described = self.described_stack()
        if described is None or described["StackStatus"] in NEVER_CREATED:
            return
        parameters = parameters_of(described)
        name = self.arguments().cluster_parameter
        if name not in parameters:
            raise UserError(
                f"config/{self.stack.name}.yaml: hook StopTasks: cluster_parameter: the deployed "
                f"stack has no parameter {name}; it has {', '.join(sorted(parameters))}."
            )
        stop_tasks(self.client("ecs"), parameters[name], self._report)

    def _report(self, cluster: str, left: int) -> None:
        self.logger.info("%s - %d tasks still run in %s", self.stack.name, left, cluster)


def stop_tasks(
    ecs: ECSClient,
    cluster: str,
    report: Callable[[str, int], None],
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
) -> None:
    """Stop all tasks of a cluster and wait for them; a cluster that is gone has none.

    `report` is called with the cluster and the number of tasks that are not stopped yet.

    Raises:
        UserError: a task is still there after `longest_wait_seconds`.
    """
    deadline = time.monotonic() + longest_wait_seconds
    asked: set[str] = set()
    while running := tasks_of(ecs, cluster):
        for task in running - asked:
            stop_task(ecs, cluster, task)
        asked |= running
        report(cluster, len(running))
        if time.monotonic() > deadline:
            raise UserError(
                f"{len(running)} tasks of cluster {cluster} did not stop within "
                f"{longest_wait_seconds:.0f} s, among them {min(running)}. "
                "Nothing more was deleted; the same command goes on from here."
            )
        time.sleep(POLL_SECONDS)


def tasks_of(ecs: ECSClient, cluster: str) -> set[str]:
    """The ARNs of all tasks in the cluster whose containers are not stopped yet."""
    try:
        arns = [
            arn
            for desired in ("RUNNING", "STOPPED")
            for page in ecs.get_paginator("list_tasks").paginate(
                cluster=cluster,
                desiredStatus=desired,
            )
            for arn in page["taskArns"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ClusterNotFoundException":
            return set()
        raise
    alive: set[str] = set()
    for start in range(0, len(arns), BATCH):
        described = ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + BATCH])
        alive |= {task["taskArn"] for task in described["tasks"] if task["lastStatus"] != "STOPPED"}
    return alive


def stop_task(ecs: ECSClient, cluster: str, task: str) -> None:
    """Ask for a task's stop; one that is gone by now needs no asking."""
    try:
        ecs.stop_task(cluster=cluster, task=task, reason="The environment is being deleted")
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidParameterException":
            raise
