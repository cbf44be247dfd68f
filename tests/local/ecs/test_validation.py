from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fargate_batch.catalogue import FARGATE_MEMORY
from local.ecs import validation
from local.responses import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


def definition(cpu: int, memory: int, **container: Any) -> dict[str, Any]:
    return {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(cpu),
        "memory": str(memory),
        "containerDefinitions": [{"name": "stage", **container}],
    }


@given(st.sampled_from([*FARGATE_MEMORY, 128, 3000]), st.integers(0, 130).map(lambda n: n * 512))
def test_fargate_sizes_are_those_of_the_settings(cpu: int, memory: int) -> None:
    # 256 CPU units take 512, 1024 and 2048 MiB; 1536 is no size.
    exists = memory in FARGATE_MEMORY.get(cpu, ()) and (cpu, memory) != (256, 1536)
    if exists:
        validation.check_task_definition(definition(cpu, memory))
    else:
        with pytest.raises(RefusedError, match="No Fargate configuration exists"):
            validation.check_task_definition(definition(cpu, memory))


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"privileged": True}, "privileged"),
        ({"stopTimeout": 121}, "stopTimeout"),
        ({"linuxParameters": {"tmpfs": [{"containerPath": "/scratch"}]}}, "tmpfs"),
        ({"logConfiguration": {"logDriver": "awslogs"}}, "execution role"),
    ],
)
def test_what_fargate_cannot_run_is_refused(container: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        validation.check_task_definition(definition(256, 512, **container))


def test_placement_strategies_are_refused_on_fargate(
    clients: Any, cluster: str, define: Callable[..., str], unique: str
) -> None:
    with pytest.raises(ClientError, match="Placement strategies are not supported"):
        clients.ecs.create_service(
            cluster=cluster,
            serviceName=unique,
            taskDefinition=define(),
            launchType="FARGATE",
            placementStrategy=[{"type": "spread", "field": "attribute:ecs.availability-zone"}],
        )


def test_a_task_needs_a_network_and_a_cluster(
    clients: Any, cluster: str, define: Callable[..., str]
) -> None:
    arn = define()
    with pytest.raises(ClientError, match="Network Configuration must be provided"):
        clients.ecs.run_task(cluster=cluster, taskDefinition=arn)
    with pytest.raises(ClientError, match="Cluster not found"):
        clients.ecs.run_task(cluster="no-such-cluster", taskDefinition=arn)


def test_a_cluster_with_tasks_or_services_cannot_be_deleted(
    clients: Any, define: Callable[..., str], unique: str, network: dict[str, Any]
) -> None:
    clients.ecs.create_cluster(clusterName=unique)
    arn = define()
    (task,) = clients.ecs.run_task(
        cluster=unique, taskDefinition=arn, launchType="FARGATE", networkConfiguration=network
    )["tasks"]
    with pytest.raises(ClientError, match="ClusterContainsTasks"):
        clients.ecs.delete_cluster(cluster=unique)
    clients.ecs.stop_task(cluster=unique, task=task["taskArn"])
    clients.ecs.get_waiter("tasks_stopped").wait(
        cluster=unique, tasks=[task["taskArn"]], WaiterConfig={"Delay": 1}
    )
    clients.ecs.create_service(
        cluster=unique,
        serviceName="service",
        taskDefinition=arn,
        launchType="FARGATE",
        desiredCount=0,
        networkConfiguration=network,
    )
    with pytest.raises(ClientError, match="ClusterContainsServices"):
        clients.ecs.delete_cluster(cluster=unique)
    clients.ecs.delete_service(cluster=unique, service="service", force=True)
    clients.ecs.delete_cluster(cluster=unique)
