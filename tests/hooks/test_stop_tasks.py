from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from hooks.stacks import NEVER_CREATED
from hooks.stop_tasks import (
    BATCH,
    StopTasks,
    did_not_stop,
    list_tasks,
    stop_task,
    stop_tasks,
    unstopped,
    want_no_tasks,
)
from local.runner.commands import host_python
from tests.local import registry_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.testing import LocalAws

TASKS = "dev/compute/tasks"
CLUSTER = "dev/compute/cluster"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
SLEEPER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(300)
"""


def hook_of(project: Any) -> StopTasks:
    hook: StopTasks = project.hook(TASKS, "before_delete", StopTasks)
    return hook


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hooks.stop_tasks.POLL_SECONDS", 0.1)


@pytest.fixture(scope="module")
def sleeper(aws: LocalAws) -> str:
    """An image that sleeps until it is stopped."""
    aws.client("ecr").create_repository(repositoryName="sleeper")
    digest = registry_client.push_image(
        aws.endpoint,
        "sleeper",
        "latest",
        {
            "Entrypoint": ["python3", "-m", "sleeper"],
            "Env": ["PYTHONPATH=/opt/batch/code"],
            "WorkingDir": "/opt/batch/code",
            "Labels": {"batch.host-python": host_python()},
        },
        [registry_client.layer({"opt/batch/code/sleeper.py": SLEEPER})],
    )
    return f"{aws.registry}/sleeper@{digest}"


@pytest.fixture
def cluster(client: Callable[[str], Any]) -> str:
    name = f"c{uuid.uuid4().hex[:10]}"
    client("ecs").create_cluster(clusterName=name)
    return name


@pytest.fixture
def definition(client: Callable[[str], Any], sleeper: str) -> str:
    name = f"f{uuid.uuid4().hex[:10]}"
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    answer = client("ecs").register_task_definition(
        family=name,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=role,
        containerDefinitions=[{"name": "sleeper", "image": sleeper}],
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def start(ecs: Any, cluster: str, definition: str, count: int) -> list[str]:
    answer = ecs.run_task(
        cluster=cluster, taskDefinition=definition, count=count, networkConfiguration=NETWORK
    )
    assert answer["failures"] == []
    return [task["taskArn"] for task in answer["tasks"]]


def serve(ecs: Any, cluster: str, definition: str, count: int) -> list[str]:
    """Create the service `worker`; return its first tasks."""
    ecs.create_service(
        cluster=cluster,
        serviceName="worker",
        taskDefinition=definition,
        desiredCount=count,
        networkConfiguration=NETWORK,
    )
    deadline = time.monotonic() + 20
    while not (arns := list_tasks(ecs, cluster, "RUNNING")):
        assert time.monotonic() < deadline
    return sorted(arns)


def statuses(ecs: Any, cluster: str, arns: list[str]) -> set[str]:
    return {task["lastStatus"] for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]}


def test_every_task_of_the_stacks_cluster_is_stopped_when_the_hook_returns(
    project: Any,
    deploy: Callable[..., str],
    client: Callable[[str], Any],
    cluster: str,
    definition: str,
) -> None:
    ecs = client("ecs")
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    deploy(project.stack(TASKS), topic, parameters={"ClusterName": cluster})
    # Some have begun to run by now, and some still wait for their start.
    arns = start(ecs, cluster, definition, 3)
    hook_of(project).run()
    assert statuses(ecs, cluster, arns) == {"STOPPED"}
    hook_of(project).run()


def test_a_task_that_an_interrupted_deletion_let_through_is_stopped_before_its_cluster_goes(
    project: Any, deploy: Callable[..., str], client: Callable[[str], Any], definition: str
) -> None:
    ecs, name = client("ecs"), f"c{uuid.uuid4().hex[:10]}"
    resources = {"Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": name}}}
    deploy(project.stack(CLUSTER), resources, {"ClusterName": {"Ref": "Cluster"}})
    arns = start(ecs, name, definition, 1)
    hook: StopTasks = project.hook(CLUSTER, "before_delete", StopTasks)
    hook.run()
    assert statuses(ecs, name, arns) == {"STOPPED"}


def test_a_service_does_not_start_another_task_in_place_of_one_that_is_stopped(
    client: Callable[[str], Any], cluster: str, definition: str
) -> None:
    ecs = client("ecs")
    arns = serve(ecs, cluster, definition, 2)
    stop_tasks(ecs, cluster, lambda *_: None)
    assert statuses(ecs, cluster, arns) == {"STOPPED"}
    (service,) = ecs.describe_services(cluster=cluster, services=["worker"])["services"]
    assert (service["desiredCount"], service["runningCount"]) == (0, 0)
    ecs.delete_service(cluster=cluster, service="worker")


@pytest.mark.parametrize(
    "code",
    ["ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException"],
)
def test_a_service_that_is_gone_needs_no_telling(recorded: Any, code: str) -> None:
    recorded["ecs"].add_client_error("update_service", code, "gone", 400)
    want_no_tasks(recorded.client("ecs"), "c", "worker")


def test_the_tasks_of_a_service_that_goes_are_waited_for(
    client: Callable[[str], Any], cluster: str, definition: str
) -> None:
    ecs = client("ecs")
    arns = serve(ecs, cluster, definition, 1)
    ecs.delete_service(cluster=cluster, service="worker", force=True)
    stop_tasks(ecs, cluster, lambda *_: None)
    assert statuses(ecs, cluster, arns) == {"STOPPED"}


@pytest.mark.usefixtures("on_local_aws")
def test_a_cluster_that_is_gone_has_no_tasks(client: Callable[[str], Any]) -> None:
    ecs = client("ecs")
    stop_tasks(ecs, "no-such-cluster", lambda *_: pytest.fail("there is nothing to tell"))
    assert unstopped(ecs, "no-such-cluster", {"arn:aws:ecs:eu-west-1:1:task/x/1"}) == {}
    stop_task(ecs, "no-such-cluster", "arn:aws:ecs:eu-west-1:1:task/x/1")


@pytest.mark.usefixtures("on_local_aws")
def test_a_stack_that_is_gone_has_no_tasks(project: Any) -> None:
    hook_of(project).run()


@pytest.mark.parametrize("status", NEVER_CREATED)
def test_a_stack_that_never_stood_is_left_alone(project: Any, recorded: Any, status: str) -> None:
    name = project.stack(TASKS).external_name
    recorded["cloudformation"].add_response(
        "describe_stacks",
        {"Stacks": [{"StackName": name, "StackStatus": status, "CreationTime": "2026-01-01"}]},
        {"StackName": name},
    )
    hook_of(project).run()


def test_a_parameter_that_the_stack_does_not_have_is_named(
    project: Any, deploy: Callable[..., str]
) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    deploy(project.stack(TASKS), topic, parameters={"KeyArn": "k"})
    with pytest.raises(UserError, match=r"!stop_tasks: cluster: .* no parameter or output C"):
        hook_of(project).run()


def arn(index: int) -> str:
    return f"arn:aws:ecs:eu-west-1:123456789012:task/c/{index:05d}"


def expect_list(
    recorded: Any, desired: str, arns: list[str], token: str = "", following: str = ""
) -> None:
    recorded["ecs"].add_response(
        "list_tasks",
        {"taskArns": arns, **({"nextToken": following} if following else {})},
        {"cluster": "c", "desiredStatus": desired, **({"nextToken": token} if token else {})},
    )


def expect_describe(recorded: Any, states: dict[str, str], **failures: str) -> None:
    recorded["ecs"].add_response(
        "describe_tasks",
        {
            "tasks": [{"taskArn": one, "lastStatus": status} for one, status in states.items()],
            "failures": [{"arn": one, "reason": reason} for one, reason in failures.items()],
        },
        {"cluster": "c", "tasks": sorted(states)} if not failures else None,
    )


def expect_stop(recorded: Any, one: str) -> None:
    recorded["ecs"].add_response(
        "stop_task",
        {},
        {"cluster": "c", "task": one, "reason": "The environment is being deleted"},
    )


def test_every_page_is_listed_and_no_more_are_described_at_once_than_ecs_takes(
    recorded: Any,
) -> None:
    arns = [arn(index) for index in range(BATCH + 1)]
    expect_list(recorded, "RUNNING", arns[:BATCH], following="2")
    expect_list(recorded, "RUNNING", arns[BATCH:], token="2")  # noqa: S106  # a page's
    ecs = recorded.client("ecs")
    found = list_tasks(ecs, "c", "RUNNING")
    assert found == set(arns)
    expect_describe(recorded, dict.fromkeys(arns[:BATCH], "RUNNING"))
    expect_describe(recorded, dict.fromkeys(arns[BATCH:], "STOPPED"))
    assert set(unstopped(ecs, "c", found)) == set(arns[:BATCH])


def test_a_task_is_waited_for_until_it_has_stopped_and_asked_only_once(recorded: Any) -> None:
    running, stopping = arn(1), arn(2)
    # One was asked to stop by somebody else and still holds its network interface.
    expect_list(recorded, "STOPPED", [stopping, arn(3)])
    expect_describe(recorded, {stopping: "DEPROVISIONING", arn(3): "STOPPED"})
    expect_list(recorded, "RUNNING", [running])
    expect_describe(recorded, {running: "PENDING", stopping: "DEPROVISIONING"})
    expect_stop(recorded, running)
    expect_list(recorded, "RUNNING", [])
    expect_describe(recorded, {running: "STOPPING", stopping: "STOPPED"})
    expect_list(recorded, "RUNNING", [])
    expect_describe(recorded, {running: "STOPPED"})
    expect_list(recorded, "RUNNING", [])
    told: list[int] = []
    stop_tasks(recorded.client("ecs"), "c", lambda _, left: told.append(left))
    assert told == [2, 1, 0]


def test_a_task_that_starts_after_the_first_quiet_look_is_stopped_as_well(recorded: Any) -> None:
    late = arn(9)
    expect_list(recorded, "STOPPED", [])
    expect_list(recorded, "RUNNING", [])
    expect_list(recorded, "RUNNING", [late])
    expect_describe(recorded, {late: "PROVISIONING"})
    expect_stop(recorded, late)
    expect_list(recorded, "RUNNING", [])
    expect_describe(recorded, {late: "STOPPED"})
    expect_list(recorded, "RUNNING", [])
    stop_tasks(recorded.client("ecs"), "c", lambda *_: None)


def test_a_task_that_ecs_has_forgotten_is_gone(recorded: Any) -> None:
    expect_describe(recorded, {}, **{arn(1): "MISSING"})
    assert unstopped(recorded.client("ecs"), "c", {arn(1)}) == {}


def test_a_task_that_ecs_does_not_tell_about_is_not_taken_for_gone(recorded: Any) -> None:
    expect_describe(recorded, {}, **{arn(1): "THROTTLED"})
    with pytest.raises(UserError, match=r"does not say whether .*task/c/00001 .*: THROTTLED"):
        unstopped(recorded.client("ecs"), "c", {arn(1)})


@pytest.mark.parametrize("code", ["ClusterNotFoundException", "InvalidParameterException"])
def test_a_task_or_cluster_that_is_gone_needs_no_stop(recorded: Any, code: str) -> None:
    recorded["ecs"].add_client_error("stop_task", code, "gone", 400)
    stop_task(recorded.client("ecs"), "c", arn(1))


def test_a_refusal_to_stop_is_not_swallowed(recorded: Any) -> None:
    recorded["ecs"].add_client_error("stop_task", "AccessDeniedException", "no", 400)
    ecs = recorded.client("ecs")
    with pytest.raises(ecs.exceptions.ClientError, match="AccessDeniedException"):
        stop_task(ecs, "c", arn(1))


def test_a_task_that_does_not_stop_in_time_is_named_with_the_way_to_look_at_it(
    recorded: Any,
) -> None:
    expect_list(recorded, "STOPPED", [])
    expect_list(recorded, "RUNNING", [arn(7)])
    expect_describe(recorded, {arn(7): "RUNNING"})
    expect_stop(recorded, arn(7))
    with pytest.raises(UserError) as late:
        stop_tasks(recorded.client("ecs"), "c", lambda *_: None, longest_wait_seconds=-1)
    assert f"`aws ecs describe-tasks --cluster c --tasks {arn(7)}`" in str(late.value)
    assert "the same command again" in str(late.value)


def test_a_service_that_keeps_starting_tasks_is_named() -> None:
    text = did_not_stop("c", {arn(1): "service:worker", arn(2): "family:other"}, 300)
    assert text.startswith("2 tasks of cluster c did not stop within 300 s")
    assert "The service worker keeps starting tasks." in text
