from __future__ import annotations

import json
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local.runner import engine
from local.runner.commands import host_python
from local.testing import LocalAws, local_aws
from tests.local import registry_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
SCRATCH = "/tmp"  # noqa: S108  # inside the container


@pytest.fixture(scope="module")
def with_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    found = engine.find(tmp_path_factory.mktemp("engine"))
    if found is None:
        pytest.skip("neither Docker nor Podman answers")
    found.close()
    with local_aws() as running:
        yield running


@pytest.fixture(scope="module")
def reference(with_engine: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pushed image made from whatever image of the engine has Python 3 in it."""
    found = engine.find(tmp_path_factory.mktemp("engine"))
    assert found is not None
    try:
        return _pushed_base(found, with_engine)
    finally:
        found.close()


def _pushed_base(found: engine.Engine, with_engine: LocalAws) -> str:
    base = next(
        (
            image
            for image in found.client.images.list()
            for tag in image.tags
            if "python" in tag and "localhost:" not in tag
        ),
        None,
    )
    if base is None:
        pytest.skip("the engine has no image with python in its name")
    with_engine.client("ecr").create_repository(repositoryName="engine")
    name = f"{with_engine.registry}/engine"
    base.tag(name, tag="base")
    if found.podman:
        # Docker's API has no word for a registry without TLS.
        push = ["podman", "push", "--quiet", "--tls-verify=false", f"{name}:base"]
        subprocess.run(push, check=True, timeout=60)
    else:
        output = found.client.images.push(name, tag="base")
        assert '"error"' not in output, output
    found.client.images.remove(f"{name}:base")
    return f"{name}:base"


@pytest.fixture
def run(with_engine: LocalAws, reference: str, eventually: Callable[..., Any]) -> Any:
    ecs, iam = with_engine.client("ecs"), with_engine.client("iam")
    logs = with_engine.client("logs")
    name = f"t{uuid.uuid4().hex[:8]}"
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    logs.create_log_group(logGroupName=name)
    ecs.create_cluster(clusterName=name)

    def start(script: str, *, wait: bool = True, **container: Any) -> tuple[Any, list[str]]:
        definition = ecs.register_task_definition(
            family=name,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=role,
            taskRoleArn=role,
            volumes=[{"name": "scratch"}],
            containerDefinitions=[
                {
                    "name": "stage",
                    "image": reference,
                    "command": ["python3", "-c", script],
                    "user": "10001:10001",
                    "readonlyRootFilesystem": True,
                    "mountPoints": [{"sourceVolume": "scratch", "containerPath": SCRATCH}],
                    "linuxParameters": {
                        "capabilities": {"drop": ["ALL"]},
                        "initProcessEnabled": True,
                    },
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": name,
                            "awslogs-region": "eu-west-1",
                            "awslogs-stream-prefix": "t",
                        },
                    },
                    **container,
                }
            ],
        )["taskDefinition"]["taskDefinitionArn"]
        (task,) = ecs.run_task(
            cluster=name,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
        )["tasks"]
        arn = task["taskArn"]

        def described() -> Any:
            return ecs.describe_tasks(cluster=name, tasks=[arn])["tasks"][0]

        def output() -> list[str]:
            events = logs.filter_log_events(logGroupName=name)["events"]
            return [event["message"] for event in events]

        if not wait:
            assert eventually(lambda: output() and described()["lastStatus"] == "RUNNING", 40)
            ecs.stop_task(cluster=name, task=arn)
        assert eventually(lambda: described()["lastStatus"] == "STOPPED", 40), described()
        eventually(output, 5)
        return described(), output()

    return start


SURROUNDINGS = """
import json, os, pathlib, urllib.error, urllib.request
def writable(path):
    try:
        pathlib.Path(path).write_text("x")
    except OSError:
        return False
    return True
def status(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "tmp": writable("/tmp/here"),
    "root": writable("/here"),
    "api": status(os.environ["AWS_ENDPOINT_URL"] + "/_ministack/health"),
    "agent": status(os.environ["ECS_AGENT_URI"] + "/task-protection/v1/state"),
    "key": os.environ["AWS_ACCESS_KEY_ID"][:4],
}))
"""


def test_a_container_has_its_user_its_scratch_space_and_a_way_to_the_api(run: Any) -> None:
    task, output = run(SURROUNDINGS)
    assert task["containers"][0]["exitCode"] == 0, output
    assert json.loads(output[0]) == {
        "user": [10001, 10001],
        "tmp": True,
        "root": False,
        "api": 200,
        "agent": 400,  # reached, and its role may not
        "key": "ASIA",
    }


def test_too_much_memory_ends_with_137_and_the_reason(run: Any, with_engine: LocalAws) -> None:
    task, _ = run("x = bytearray(900 << 20); print(len(x))")
    (container,) = task["containers"]
    assert container["exitCode"] == 137
    if "reason" not in container and "Podman" in with_engine.directory.lock.read_text():
        pytest.skip("this Podman does not tell why a container was killed")
    assert "OutOfMemory" in container["reason"]


def test_sigterm_reaches_the_command(run: Any) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    task, _ = run(script, wait=False)
    assert task["containers"][0]["exitCode"] == 5
    assert task["stopCode"] == "UserInitiated"


def test_a_missing_image_fails_the_start(run: Any, reference: str) -> None:
    task, _ = run("pass", image=reference.replace(":base", ":missing"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError")


def test_a_started_podman_ends_with_what_started_it(tmp_path: Path) -> None:
    found = engine.find(tmp_path)
    if found is None or found.service is None:
        pytest.skip("no Podman service is started for the local AWS on this machine")
    found.close()
    assert found.service.poll() is not None


def test_a_host_image_runs_as_a_process_all_the_same(
    run: Any, with_engine: LocalAws, tmp_path: Path
) -> None:
    registry_client.push_image(
        with_engine.endpoint,
        "engine",
        f"host-{tmp_path.name}",
        {"Labels": {"batch.host-python": host_python()}},
        [registry_client.layer({"opt/x": "y"})],
    )
    reference = f"{with_engine.registry}/engine:host-{tmp_path.name}"
    task, output = run("import os; print(os.environ['AWS_ENDPOINT_URL'])", image=reference)
    assert task["containers"][0]["exitCode"] == 0
    assert output == [with_engine.endpoint]
