"""A launched environment, as its stacks' outputs describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from batchkit.ledger import Ledger
from batchkit.place import Place, Route
from botocore.exceptions import BotoCoreError, ClientError
from sceptre.exceptions import InvalidAWSCredentialsError

from fargate_batch import project
from fargate_batch.aws_errors import PATIENT, PROBE, SET_CREDENTIALS, explained
from fargate_batch.errors import UserError
from fargate_batch.names import Output, StageOutput
from fargate_batch.regions import refuse_unknown

if TYPE_CHECKING:
    from pathlib import Path

    from fargate_batch.settings import Settings


@dataclass(frozen=True)
class Environment:
    """Where an environment's resources are, with a session that reaches them."""

    folder: Path
    """The project's."""
    name: str
    settings: Settings
    session: boto3.Session
    outputs: dict[str, str]

    def __getitem__(self, output: Output) -> str:
        """The value of an output that exists once.

        Raises:
            UserError: the environment's stacks have no such output yet.
        """
        return self._value(output.value)

    def of(self, stage: str, output: StageOutput) -> str:
        """The value of an output that exists for each stage.

        Raises:
            UserError: the environment's stacks have no such output yet.
        """
        return self._value(output.of(stage))

    def client(self, service: str) -> Any:
        """A client that retries as botocore knows how to."""
        return self.session.client(  # type: ignore[call-overload]  # the service varies
            service, config=PATIENT
        )

    def ledger(self) -> Ledger:
        """The ledger of the environment's runs."""
        return Ledger(self.client("dynamodb"), self[Output.LEDGER_TABLE_NAME])

    def place(self) -> Place:
        """Where the environment's work lies and how each stage gets it.

        Raises:
            UserError: the environment's stacks have no such output yet.
        """
        return Place(
            s3=self.client("s3"),
            sqs=self.client("sqs"),
            dynamodb=self.client("dynamodb"),
            input_bucket=self[Output.INPUT_BUCKET_NAME],
            output_bucket=self[Output.OUTPUT_BUCKET_NAME],
            table=self[Output.LEDGER_TABLE_NAME],
            routes=tuple(
                Route(
                    stage=stage.name,
                    bucket=stage.source.bucket,
                    key_pattern=stage.source.key_pattern,
                    queue_url=self.of(stage.name, StageOutput.QUEUE_URL),
                )
                for stage in self.settings.stages
            ),
        )

    def dead_letter_queues(self) -> dict[str, str]:
        """Each stage's dead-letter queue by the stage's name.

        Raises:
            UserError: the environment's stacks have no such output yet.
        """
        return {
            stage.name: self.of(stage.name, StageOutput.DEAD_LETTER_QUEUE_URL)
            for stage in self.settings.stages
        }

    def _value(self, name: str) -> str:
        if name not in self.outputs:
            raise UserError(
                f"The environment {self.name} has no {name} in {self.session.region_name}; "
                f"`sceptre launch {self.name}` creates what is missing."
            )
        return self.outputs[name]


def find_environment(
    folder: Path, name: str, profile: str | None = None, region: str | None = None
) -> Environment:
    """Find a launched environment; profile, role and region are the config's unless they are given.

    Who names a profile speaks as that; else the session is Sceptre's own, so that `profile` and
    `sceptre_role` in config/ mean here what they mean to a launch.

    Raises:
        UserError: config/ has no such environment, it is not launched there, AWS has no such
            region, or cannot be asked; the message says which, and the way out.
    """
    stacks = project.read_stacks(folder, name)
    any_stack = next(iter(stacks))
    if region:
        refuse_unknown(region, "--region")
    region = region or any_stack.region
    try:
        if profile:
            session = boto3.Session(profile_name=profile, region_name=region)
        else:
            session = any_stack.connection_manager.get_session(region=region)
        outputs = read_outputs(session, {stack.external_name for stack in stacks})
    except InvalidAWSCredentialsError as error:
        raise UserError(f"There are no AWS credentials. {SET_CREDENTIALS}") from error
    except (ClientError, BotoCoreError) as error:
        raise UserError(explained(error)) from error
    if not outputs:
        raise UserError(
            f"The environment {name} is not launched in {region}; `sceptre launch {name}` does it."
        )
    return Environment(folder, name, project.settings_of(stacks), session, outputs)


def read_outputs(session: boto3.Session, stack_names: set[str]) -> dict[str, str]:
    """The outputs of these stacks by name; empty where none of them is launched.

    Raises:
        UserError: two of them have an output of the same name.
    """
    outputs: dict[str, str] = {}
    cloudformation = session.client("cloudformation", config=PROBE)
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"] not in stack_names:
                continue
            for output in stack.get("Outputs", []):
                if output["OutputKey"] in outputs:
                    raise UserError(f"{stack['StackName']} gives {output['OutputKey']} again.")
                outputs[output["OutputKey"]] = output["OutputValue"]
    return outputs
