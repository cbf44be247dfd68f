"""Real Sceptre stacks from the project's own config, on a local AWS or on recorded answers."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from sceptre.connection_manager import ConnectionManager

from fargate_batch import project as configuration
from hooks import verify_account, verify_destruction
from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sceptre.stack import Stack

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """Forget what Sceptre and the hooks keep for a process."""
    kept: list[Any] = [
        ConnectionManager._boto_sessions,
        ConnectionManager._clients,
        ConnectionManager._stack_keys,
        verify_account._known,
        verify_destruction._allowed,
    ]
    for cache in kept:
        cache.clear()
    yield
    for cache in kept:
        cache.clear()


@dataclass(frozen=True)
class Project:
    """A copy of the project's config whose stacks nobody else has on the local AWS."""

    folder: Path
    read: dict[str, set[Stack]] = field(default_factory=dict)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / "config" / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        self.read.clear()

    def stack(self, name: str) -> Stack:
        environment = name.split("/", 1)[0]
        if environment not in self.read:
            self.read[environment] = configuration.read_stacks(self.folder, environment)
        (found,) = (stack for stack in self.read[environment] if stack.name == name)
        return found

    def hook(self, name: str, moment: str, kind: type[Any]) -> Any:
        (found,) = (hook for hook in self.stack(name).hooks[moment] if isinstance(hook, kind))
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT / "config", folder / "config")
    made = Project(folder)
    made.edit(
        "config.yaml", "project_code: fargate-batch", f"project_code: t{uuid.uuid4().hex[:10]}"
    )
    return made


@pytest.fixture
def on_local_aws(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """Point this process's credentials at the local AWS."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.fixture
def client(on_local_aws: LocalAws) -> Callable[[str], Any]:
    """Makes a client of the local AWS."""

    def make(service: str) -> Any:
        return boto3.client(service, region_name=on_local_aws.region)  # type: ignore[call-overload]

    return make


@pytest.fixture
def deploy(client: Callable[[str], Any]) -> Callable[..., str]:
    """Deploys resources under the name of one of the project's stacks; returns the status."""

    def create(
        stack: Stack,
        resources: dict[str, Any],
        outputs: dict[str, Any] | None = None,
        parameters: dict[str, str] | None = None,
        **request: Any,
    ) -> str:
        cloudformation = client("cloudformation")
        template = {
            "Parameters": {name: {"Type": "String"} for name in parameters or {}},
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()},
        }
        cloudformation.create_stack(
            StackName=stack.external_name,
            TemplateBody=json.dumps(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in (parameters or {}).items()
            ],
            **request,
        )
        return status_of(cloudformation, stack)

    return create


def status_of(cloudformation: Any, stack: Stack) -> str:
    """A stack's status once CloudFormation has finished with it."""
    while True:
        described = cloudformation.describe_stacks(StackName=stack.external_name)["Stacks"][0]
        if not described["StackStatus"].endswith("_IN_PROGRESS"):
            return str(described["StackStatus"])


@pytest.fixture(name="status_of")
def status_of_fixture() -> Callable[..., str]:
    return status_of


class Recorded:
    """A session whose clients answer what a test expects, in that order and to those parameters."""

    def __init__(self) -> None:
        self.session = boto3.Session(
            aws_access_key_id="recorded",
            aws_secret_access_key="recorded",  # noqa: S106  # nothing is called
            region_name="eu-west-1",
        )
        self.stubbers: dict[str, Stubber] = {}

    def __getitem__(self, service: str) -> Stubber:
        if service not in self.stubbers:
            self.stubbers[service] = Stubber(self.session.client(service))  # type: ignore[call-overload]
            self.stubbers[service].activate()
        return self.stubbers[service]

    def client(self, service: str, config: Any = None) -> Any:  # noqa: ARG002  # boto3's signature
        return self[service].client

    def get_credentials(self) -> Any:
        return self.session.get_credentials()


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """What AWS answers where no AWS can be asked: the stacks' connection managers use it."""
    answers = Recorded()
    ConnectionManager._boto_sessions["eu-west-1", None, None] = answers
    yield answers
    for stubber in answers.stubbers.values():
        stubber.assert_no_pending_responses()
