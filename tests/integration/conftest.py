"""A launched environment: the one that --environment names, or dev on a local AWS of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from local.testing import local_aws

from fargate_batch import project
from fargate_batch.names import Output, StackPath, StageOutput, ledger_stack_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fargate_batch.settings import Settings

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Launched:
    """An environment as its stacks' outputs describe it, with sessions to ask AWS about it."""

    environment: str
    settings: Settings
    session: boto3.Session
    outputs: dict[str, str]

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]

    def __getitem__(self, output: Output) -> str:
        return self.outputs[output]

    def of(self, stage: str, output: StageOutput) -> str:
        return self.outputs[output.of(stage)]


def read_outputs(session: boto3.Session, project: str, environment: str) -> dict[str, str]:
    """All outputs of the environment's stacks; no two stacks may share an output's name."""
    names = [f"{project}-{environment}-{path.replace('/', '-')}" for path in StackPath]
    names.append(ledger_stack_name(environment))
    outputs: dict[str, str] = {}
    for page in session.client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"] in names:
                for output in stack.get("Outputs", []):
                    assert output["OutputKey"] not in outputs, f"{output['OutputKey']} twice"
                    outputs[output["OutputKey"]] = output["OutputValue"]
    return outputs


@pytest.fixture(scope="session")
def launched(request: pytest.FixtureRequest) -> Iterator[Launched]:
    chosen = request.config.getoption("--environment")
    if chosen:
        yield describe(chosen, boto3.Session())
        return
    with local_aws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        sceptre("launch", "dev", "--yes")
        yield describe("dev", boto3.Session())


def describe(environment: str, session: boto3.Session) -> Launched:
    config = project.read_config(PROJECT, environment)
    session = boto3.Session(profile_name=config.get("profile"), region_name=config["region"])
    return Launched(
        environment=environment,
        settings=project.read_settings(PROJECT, environment),
        session=session,
        outputs=read_outputs(session, config["project_code"], environment),
    )


def sceptre(*arguments: str) -> str:
    """Run the command as a user would.

    Raises:
        AssertionError: it exits with anything but 0; the message is what it printed.
    """
    done = subprocess.run(
        [Path(sys.executable).with_name("sceptre"), *arguments],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
