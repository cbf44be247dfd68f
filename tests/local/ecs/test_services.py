from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.ecs import slots
from local.ecs.scheduler import health_of
from local.ecs.stopping import UNHEALTHY_REASON
from local.testing import local_aws
from tests.local.small_platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def service(
    clients: Any, cluster: str, define: Callable[..., str], unique: str, network: dict[str, Any]
) -> Iterator[Callable[..., str]]:
    def make(desired: int, **container: Any) -> str:
        clients.ecs.create_service(
            cluster=cluster,
            serviceName=unique,
            taskDefinition=define(**container),
            desiredCount=desired,
            availabilityZoneRebalancing="ENABLED",
            healthCheckGracePeriodSeconds=120,
            networkConfiguration=network,
        )
        return unique

    yield make
    clients.ecs.delete_service(cluster=cluster, service=unique, force=True)


@pytest.fixture
def running(clients: Any, cluster: str, unique: str) -> Callable[[], list[str]]:
    def arns() -> list[str]:
        listed = clients.ecs.list_tasks(cluster=cluster, serviceName=unique)["taskArns"]
        if not listed:
            return []
        described = clients.ecs.describe_tasks(cluster=cluster, tasks=listed)["tasks"]
        return [task["taskArn"] for task in described if task["lastStatus"] == "RUNNING"]

    return arns


def test_a_services_tasks_follow_its_desired_count(
    clients: Any,
    cluster: str,
    service: Callable[..., str],
    running: Callable[[], list[str]],
    eventually: Callable[..., Any],
) -> None:
    name = service(0)
    (described,) = clients.ecs.describe_services(cluster=cluster, services=[name])["services"]
    assert described["availabilityZoneRebalancing"] == "ENABLED"
    assert described["healthCheckGracePeriodSeconds"] == 120
    for desired in (2, 1, 0):
        clients.ecs.update_service(cluster=cluster, service=name, desiredCount=desired)
        assert eventually(lambda wanted=desired: len(running()) == wanted), running()


def test_a_task_that_somebody_stops_is_replaced(
    clients: Any,
    cluster: str,
    service: Callable[..., str],
    running: Callable[[], list[str]],
    eventually: Callable[..., Any],
) -> None:
    service(1)
    (first,) = eventually(running)
    clients.ecs.stop_task(cluster=cluster, task=first)
    assert eventually(lambda: running() and first not in running())


def test_an_unhealthy_task_is_replaced_and_says_why(
    tasks: Any,
    service: Callable[..., str],
    running: Callable[[], list[str]],
    eventually: Callable[..., Any],
) -> None:
    service(
        1,
        healthCheck={
            "command": ["CMD", "python3", "-m", "health"],
            "interval": 5,
            "timeout": 2,
            "retries": 1,
        },
    )
    (first,) = eventually(running)
    stopped = tasks.wait(first, seconds=25)
    assert stopped["stoppedReason"] == UNHEALTHY_REASON
    assert stopped["healthStatus"] == "UNHEALTHY"
    assert eventually(lambda: running() and first not in running())


def test_a_new_revision_comes_to_run_where_there_are_slots_for_the_last_one_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Any]
) -> None:
    monkeypatch.setenv(slots.VARIABLE, "2")
    with local_aws(tmp_path, use_engine=False) as aws:
        made = Platform(aws)
        arns = made.service(2)
        assert eventually(lambda: made.status(*arns()) == "RUNNING" * 2)
        revision = made.define()
        made.ecs.update_service(cluster="c", service="s", taskDefinition=revision)

        def running() -> list[str]:
            tasks = made.ecs.describe_tasks(cluster="c", tasks=arns())["tasks"]
            return [one["taskDefinitionArn"] for one in tasks if one["lastStatus"] == "RUNNING"]

        assert eventually(lambda: running() == [revision] * 2), running()


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["HEALTHY"], "HEALTHY"),
        (["HEALTHY", "UNKNOWN"], "UNKNOWN"),
        (["UNKNOWN", "UNHEALTHY"], "UNHEALTHY"),
    ],
)
def test_the_worst_container_decides(statuses: list[str], expected: str) -> None:
    assert health_of(statuses) == expected
