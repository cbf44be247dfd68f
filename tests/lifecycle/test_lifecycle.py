"""One environment from nothing to nothing: launch, run, launch again, change a stage, delete.

The tests of this module are the steps of one life and run in their order. Its first launches and
its first deletions are killed, and the local AWS is restarted after each.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import process
from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
POSITIONS = PROJECT / "samples" / "positions.csv.gz"
BIN = Path(sys.executable).parent
STAGES = ("data-ingestion", "risk-calculation", "report-generation")
CHANGED = "report-generation"
PUSHING = "risk-calculation: pushing to"
NOT_SOURCES = (
    ".git", ".venv", ".local", ".cache", ".hypothesis", "*_cache", "__pycache__", "reports"
)  # fmt: skip
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock", "CONTAINER_HOST": ""}


def engine_answers() -> bool:
    """Whether Docker or Podman can run containers here."""
    commands = ([name, "info"] for name in ("docker", "podman") if shutil.which(name))
    return any(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in commands
    )


@dataclass(frozen=True)
class Life:
    """A copy of the project and the AWS that it is launched into."""

    project: Path
    environment: dict[str, str]
    aws: LocalAws
    engine: bool

    def restart_aws(self) -> None:
        """Stop the local AWS and start it again with the state that it had."""
        process.stop(self.aws.directory)
        process.start(
            self.aws.directory,
            self.aws.running.port,
            persist=True,
            region=self.aws.region,
            with_parent=True,
        )

    def run(self, *command: str) -> str:
        """Run one of the project's commands and return what it printed.

        Raises:
            AssertionError: it exits with anything but 0.
        """
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kill(self, at: str, *command: str) -> None:
        """Run a command and kill it with all its children once it prints `at`.

        Raises:
            AssertionError: it ends before that.
        """
        printed = []
        with subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                printed.append(line)
                if at in line:
                    os.killpg(running.pid, signal.SIGKILL)
                    return
        pytest.fail(f"it ended without a word of '{at}': {''.join(printed)}")

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def buckets(self, what: str) -> list[str]:
        names = [bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]]
        return [name for name in names if name.startswith(f"fargate-batch-{what}-")]

    def image_digests(self) -> dict[str, set[str]]:
        ecr = self.client("ecr")
        return {
            stage: {
                image["imageDigest"]
                for image in ecr.describe_images(repositoryName=f"fargate-batch/{stage}-dev")[
                    "imageDetails"
                ]
            }
            for stage in STAGES
        }

    def revisions(self) -> dict[str, list[str]]:
        ecs = self.client("ecs")
        return {
            stage: ecs.list_task_definitions(familyPrefix=f"fargate-batch-{stage}-dev")[
                "taskDefinitionArns"
            ]
            for stage in STAGES
        }


@pytest.fixture(
    scope="module",
    params=[
        "processes",
        pytest.param(
            "engine",
            marks=pytest.mark.skipif(
                not engine_answers(),
                reason="no Docker or Podman answers; the same life is lived by processes alone",
            ),
        ),
    ],
)
def life(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    project = tmp_path_factory.mktemp("life") / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    own = dict(os.environ)
    if request.param == "processes":
        own |= NO_ENGINE
        own["PATH"] = f"{BIN}{os.pathsep}/usr/bin{os.pathsep}/bin"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            patch.setenv(name, value)
        with local_aws(persist=True) as aws:
            yield Life(project, {**own, **aws.environment}, aws, engine=request.param == "engine")


@pytest.mark.parametrize(
    "at",
    [
        "storage/encryption - Creating Stack",
        PUSHING,
        "compute/tasks - Creating Stack",
        "eventing/pipeline - Creating Stack",
    ],
)
def test_a_launch_can_be_killed(life: Life, at: str) -> None:
    if life.engine and at != PUSHING:
        pytest.skip("an engine changes nothing about it")
    life.kill(at, "sceptre", "launch", "dev", "--yes")
    life.restart_aws()


def test_launch_creates_the_environment(life: Life) -> None:
    life.run("sceptre", "launch", "dev", "--yes")
    status = life.run("sceptre", "status", "dev")
    assert status.count("COMPLETE") == 12
    assert all(len(digests) == 1 for digests in life.image_digests().values())


def test_a_positions_file_becomes_a_report(life: Life, tmp_path: Path) -> None:
    life.run(
        "batch", "submit", "samples/positions.csv.gz", "--market-data", market_data(life.project),
        "--environment", "dev", "--follow", "--download", str(tmp_path),
    )  # fmt: skip
    (report,) = tmp_path.rglob("report.html")
    assert report.stat().st_size > 10_000
    summary = json.loads(report.with_name("summary.json").read_text())
    assert summary["rows_in"] > 1000
    assert summary["rows_refused"] > 0


def market_data(project: Path) -> str:
    (path,) = (project / "samples" / "market-data").iterdir()
    return str(path)


def test_a_second_launch_changes_nothing(life: Life) -> None:
    images, revisions = life.image_digests(), life.revisions()
    printed = life.run("sceptre", "launch", "dev", "--yes")
    assert "UPDATE_COMPLETE" not in printed
    assert (life.image_digests(), life.revisions()) == (images, revisions)


def test_a_changed_stage_changes_alone(life: Life) -> None:
    images, revisions = life.image_digests(), life.revisions()
    package = life.project / "images" / CHANGED / CHANGED.replace("-", "_") / "__init__.py"
    package.write_text(package.read_text() + "\nCHANGED = True\n")
    life.run("sceptre", "launch", "dev", "--yes")
    changed_images = {s for s, digests in life.image_digests().items() if digests != images[s]}
    changed_revisions = {s for s, arns in life.revisions().items() if arns != revisions[s]}
    assert changed_images == {CHANGED}
    assert changed_revisions == {CHANGED}


def test_a_deletion_that_meets_a_task_can_be_killed(life: Life) -> None:
    (bucket,) = life.buckets("input")
    life.client("s3").upload_file(str(POSITIONS), bucket, "positions/last.csv.gz")
    life.kill("eventing/pipeline - Deleting stack", "sceptre", "delete", "dev", "--yes")


@pytest.mark.parametrize("at", ["compute/tasks - Deleting stack", "storage/buckets - Emptying"])
def test_a_deletion_can_be_killed_again(life: Life, at: str) -> None:
    if life.engine:
        pytest.skip("an engine changes nothing about it")
    life.kill(at, "sceptre", "delete", "dev", "--yes")
    life.restart_aws()


def test_delete_leaves_nothing(life: Life) -> None:
    life.run("sceptre", "delete", "dev", "--yes")
    assert left_over(life) == {}


def left_over(life: Life) -> dict[str, list[Any]]:
    """What every service that the project touches still lists."""
    ec2, ecs = life.client("ec2"), life.client("ecs")
    listings: dict[str, list[Any]] = {
        "stacks": [
            stack["StackName"]
            for stack in life.client("cloudformation").describe_stacks()["Stacks"]
        ],
        "vpcs": [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
        "endpoints": ec2.describe_vpc_endpoints()["VpcEndpoints"],
        "buckets": life.client("s3").list_buckets()["Buckets"],
        "keys": [
            alias
            for alias in life.client("kms").list_aliases()["Aliases"]
            if not alias["AliasName"].startswith("alias/aws/")
        ],
        "queues": life.client("sqs").list_queues().get("QueueUrls", []),
        "topics": life.client("sns").list_topics()["Topics"],
        "repositories": life.client("ecr").describe_repositories()["repositories"],
        "tables": life.client("dynamodb").list_tables()["TableNames"],
        "log groups": life.client("logs").describe_log_groups()["logGroups"],
        "clusters": ecs.list_clusters()["clusterArns"],
        "task definitions": ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"],
        "roles": [
            role["RoleName"]
            for role in life.client("iam").list_roles()["Roles"]
            if not role["Path"].startswith("/aws-service-role/")
        ],
        "rules": life.client("events").list_rules()["Rules"],
        "alarms": life.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": life.client("cloudwatch").list_dashboards()["DashboardEntries"],
        "scalable targets": life.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="ecs"
        )["ScalableTargets"],
    }
    return {name: items for name, items in listings.items() if items}
