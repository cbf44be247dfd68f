"""A stack that uses an image, read from the project's own config, and a registry beside it."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from sceptre.connection_manager import ConnectionManager

from fargate_batch import project as configuration
from imaging import engines, jobs, pushing
from local.testing import LocalAws, local_aws
from resolvers import image_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sceptre.stack import Stack

PROJECT = Path(__file__).parents[2]
BASE = "127.0.0.1:9/base:1"
STAGES = {
    "data-ingestion": "DataIngestion",
    "risk-calculation": "RiskCalculation",
    "report-generation": "ReportGeneration",
}


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh_process(aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point at the local AWS; forget what Sceptre and the resolver keep for a process."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BASE_IMAGE", BASE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engines, "find", lambda _choice: None)
    kept: list[Any] = [
        ConnectionManager._boto_sessions,
        ConnectionManager._clients,
        ConnectionManager._stack_keys,
        image_uri._outputs,
        image_uri._digests,
    ]
    for cache in kept:
        cache.clear()
    yield
    for cache in kept:
        cache.clear()


@dataclass
class Launched:
    """A project of one's own, whose registry may be launched."""

    folder: Path
    region: str

    def stacks(self) -> set[Stack]:
        return configuration.read_stacks(self.folder, "dev")

    def stack(self, name: str) -> Stack:
        (found,) = (stack for stack in self.stacks() if stack.name == name)
        return found

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]

    def write(self, name: str, content: str) -> None:
        path = self.folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def launch_registry(self) -> dict[str, str]:
        """Make the registry; return each stage's repository URI."""
        stack = self.stack("dev/storage/registry")
        template = {
            "Resources": {
                identifier: {
                    "Type": "AWS::ECR::Repository",
                    "Properties": {
                        "RepositoryName": f"{stack.project_code}/{stage}-dev",
                        "ImageTagMutability": "IMMUTABLE",
                    },
                }
                for stage, identifier in STAGES.items()
            },
            "Outputs": {
                f"{identifier}RepositoryUri": {
                    "Value": {"Fn::GetAtt": [identifier, "RepositoryUri"]}
                }
                for identifier in STAGES.values()
            },
        }
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=stack.external_name, TemplateBody=json.dumps(template)
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack.external_name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
        )
        outputs = cloudformation.describe_stacks(StackName=stack.external_name)["Stacks"][0]
        values = {item["OutputKey"]: item["OutputValue"] for item in outputs["Outputs"]}
        return {stage: values[f"{name}RepositoryUri"] for stage, name in STAGES.items()}

    def push(self, uris: dict[str, str]) -> None:
        wanted = jobs.Wanted(self.folder, BASE, uris)
        pushing.push_changed(wanted, self.client("ecr"), "none", lambda _who, _step: None)


@pytest.fixture
def launched(aws: LocalAws, tmp_path: Path) -> Launched:
    made = Launched(tmp_path / "project", aws.region)
    shutil.copytree(PROJECT / "config", made.folder / "config")
    config = made.folder / "config/config.yaml"
    code = f"t{uuid.uuid4().hex[:10]}"
    text = config.read_text()
    config.write_text(text.replace("project_code: fargate-batch", f"project_code: {code}"))
    environment = made.folder / "config/dev/config.yaml"
    environment.write_text(
        environment.read_text().replace("region: eu-west-1", f"region: {aws.region}")
    )
    made.write("Dockerfile", (PROJECT / "images/Dockerfile").read_text())
    made.write("common/requirements.lock", "")
    made.write("common/batchkit/__init__.py", "")
    for stage in STAGES:
        made.write(f"{stage}/requirements.lock", "")
        made.write(f"{stage}/{stage.replace('-', '_')}/__init__.py", "")
    return made
