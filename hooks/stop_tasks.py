"""`!stop_tasks`: before network and cluster go, whatever runs in the cluster is stopped.

It belongs on three stacks. Before the services go, since a worker with a message in hand protects
itself from its service, whose deletion would wait for it, and for the next message. Before the
stack that the network and the ledger wait for, by when rules and services are gone. And once more
before the cluster, for what an interrupted deletion let through.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from fargate_batch.errors import UserError
from hooks.base import Arguments, CheckedHook
from hooks.stacks import NEVER_CREATED, outputs_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.literals import DesiredStatusType

# A task may take its stop timeout, at most 120 s on Fargate, and then some to give back its ENI.
LONGEST_WAIT_SECONDS: Final = 300
POLL_SECONDS: Final = 2
# An event that was under way when its rule went may start one more task, and ECS lists a new task
# a moment later only.
QUIET_LOOKS: Final = 2
# As many as ECS describes in one call.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
BATCH: Final = 100


class StopTasksArguments(Arguments):
    """Which cluster."""

    cluster: str = Field(min_length=1)
    """The name of the stack's own parameter or output that holds the cluster's name. It is read
    from the deployed stack, since at deletion no resolver may be relied on."""


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
        known = outputs_of(described) | parameters_of(described)
        name = self.arguments().cluster
        if name not in known:
            raise self.wrong(
                f"cluster: the deployed stack has no parameter or output {name}; it has "
                f"{', '.join(sorted(known))}."
            )
        stop_tasks(self.client("ecs"), known[name], self._report)

    def _report(self, cluster: str, left: int) -> None:
        self.logger.info("Stopping tasks of %s, %d left", cluster, left)


def stop_tasks(
    ecs: ECSClient,
    cluster: str,
    report: Callable[[str, int], None],
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
) -> None:
    """Stop all tasks of a cluster and wait for them; a cluster that is gone has none.

    `report` is called with the cluster and the number of tasks that are not stopped yet, whenever
    that number is another.

    Raises:
        UserError: a task is still there after `longest_wait_seconds`.
    """
    deadline = time.monotonic() + longest_wait_seconds
    # Tasks that somebody else asked to stop still hold their network interfaces.
    alive = unstopped(ecs, cluster, list_tasks(ecs, cluster, "STOPPED"))
    asked = set(alive)
    told = quiet = 0
    while quiet < QUIET_LOOKS:
        alive = unstopped(ecs, cluster, alive.keys() | list_tasks(ecs, cluster, "RUNNING"))
        quiet = 0 if alive else quiet + 1
        for service in services_of(alive):
            # It would start another task in place of each that stops.
            want_no_tasks(ecs, cluster, service)
        for task in alive.keys() - asked:
            stop_task(ecs, cluster, task)
        asked |= alive.keys()
        if len(alive) != told:
            told = len(alive)
            report(cluster, told)
        if alive and time.monotonic() > deadline:
            raise UserError(did_not_stop(cluster, alive, longest_wait_seconds))
        if quiet < QUIET_LOOKS:
            time.sleep(POLL_SECONDS)


def did_not_stop(cluster: str, alive: dict[str, str], seconds: float) -> str:
    """What to say of tasks that would not stop, given with the group that each belongs to."""
    task = min(alive)
    services = ", ".join(services_of(alive))
    why = f"The service {services} keeps starting tasks. " if services else ""
    return (
        f"{len(alive)} tasks of cluster {cluster} did not stop within {seconds:.0f} s, among them "
        f"{task}. {why}`aws ecs describe-tasks --cluster {cluster} --tasks {task}` says what it "
        "does. Its stack was not touched; give the same command again, and it goes on from here."
    )


def services_of(alive: dict[str, str]) -> list[str]:
    """The services to which some of the tasks belong, given with the group of each."""
    prefix = "service:"
    groups = {group for group in alive.values() if group.startswith(prefix)}
    return sorted(group.removeprefix(prefix) for group in groups)


def want_no_tasks(ecs: ECSClient, cluster: str, service: str) -> None:
    """Tell a service to run no task; one that is gone by now needs no telling."""
    with suppress(
        ecs.exceptions.ClusterNotFoundException,
        ecs.exceptions.ServiceNotFoundException,
        ecs.exceptions.ServiceNotActiveException,
    ):
        ecs.update_service(cluster=cluster, service=service, desiredCount=0)


def list_tasks(ecs: ECSClient, cluster: str, desired: DesiredStatusType) -> set[str]:
    """The ARNs of the cluster's tasks, those of services too; none where the cluster is gone.

    Tasks that wait for their start count as RUNNING, which is what is desired of them.
    """
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=desired)
    try:
        return {arn for page in pages for arn in page["taskArns"]}
    except ecs.exceptions.ClusterNotFoundException:
        return set()


def unstopped(ecs: ECSClient, cluster: str, tasks: set[str]) -> dict[str, str]:
    """Those of the tasks that have not ended, each with the group that it belongs to.

    Raises:
        UserError: ECS cannot say of one of them.
    """
    arns = sorted(tasks)
    alive: dict[str, str] = {}
    for start in range(0, len(arns), BATCH):
        try:
            answer = ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + BATCH])
        except ecs.exceptions.ClusterNotFoundException:
            return {}
        alive |= {
            task["taskArn"]: task.get("group", "")
            for task in answer["tasks"]
            if task["lastStatus"] != "STOPPED"
        }
        for failure in answer["failures"]:
            # ECS forgets a task about an hour after its end.
            if failure.get("reason") != "MISSING":
                raise UserError(
                    f"ECS does not say whether {failure.get('arn')} of cluster {cluster} has "
                    f"stopped: {failure.get('reason')} {failure.get('detail', '')}"
                )
    return alive


def stop_task(ecs: ECSClient, cluster: str, task: str) -> None:
    """Ask for a task's stop; one that is gone by now needs no asking."""
    # A task that ECS has forgotten is an invalid parameter to it.
    with suppress(
        ecs.exceptions.ClusterNotFoundException, ecs.exceptions.InvalidParameterException
    ):
        ecs.stop_task(cluster=cluster, task=task, reason="The environment is being deleted")
