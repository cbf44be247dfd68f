"""An environment that consists of hand-made stacks, on a local AWS with an account a test."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from batchkit.events import S3Event
from batchkit.ledger import Ledger
from sceptre.connection_manager import ConnectionManager

from fargate_batch.cli.main import main
from fargate_batch.names import logical_id
from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("data-ingestion", "risk-calculation", "report-generation")
FAILURES = "/aws/events/fargate-batch/task-failures/dev"
STACK = "fargate-batch-dev-storage-buckets"
# An access key of twelve digits is an account of its own to the local AWS.
_accounts = itertools.count(300000000001)


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with this project's settings and two stacks; the working directory."""
    folder = tmp_path / "project"
    for name in ("config.yaml", "dev/config.yaml"):
        target = folder / "config" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "config" / name, target)
    for stack, text in {
        "storage/buckets": "template: { path: any.json }\n",
        "storage/ledger": "template: { path: any.json }\nstack_name: TapStack{{ environment }}\n",
    }.items():
        file = folder / "config" / "dev" / f"{stack}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def account(aws: LocalAws, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty account that the environment's credentials belong to."""
    assert project
    account = str(next(_accounts))
    for name, value in {**aws.environment, "AWS_ACCESS_KEY_ID": account}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    ConnectionManager._boto_sessions.clear()
    # boto3's own session would keep the last test's credentials.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield account
    ConnectionManager._boto_sessions.clear()


def create_stack(name: str, resources: dict[str, Any], outputs: dict[str, Any]) -> None:
    cloudformation = boto3.client("cloudformation")
    template = {
        "Resources": resources,
        "Outputs": {output: {"Value": value} for output, value in outputs.items()},
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status != "CREATE_IN_PROGRESS":
            break
        time.sleep(0.1)
    assert status == "CREATE_COMPLETE"


@pytest.fixture(name="create_stack")
def create_stack_fixture() -> Callable[..., None]:
    return create_stack


@dataclass(frozen=True)
class Launched:
    """What the hand-made stacks made."""

    account: str
    input_bucket: str
    output_bucket: str
    queues: dict[str, str]
    """Each stage's queue URL."""
    dead_letter_queues: dict[str, str]

    @property
    def ledger(self) -> Ledger:
        return Ledger(boto3.client("dynamodb"), "ledger")

    def clear(self) -> None:
        """Delete what the last test left."""
        dynamodb = boto3.client("dynamodb")
        for item in dynamodb.scan(TableName="ledger")["Items"]:
            dynamodb.delete_item(TableName="ledger", Key={"id": item["id"]})
        for bucket in (self.input_bucket, self.output_bucket):
            boto3.resource("s3").Bucket(bucket).object_versions.delete()
        for url in (*self.queues.values(), *self.dead_letter_queues.values()):
            boto3.client("sqs").purge_queue(QueueUrl=url)

    def drop(self, key: str, body: bytes = b"x") -> S3Event:
        """Put a file into the input bucket, as whoever does not use `batch` would."""
        answer = boto3.client("s3").put_object(Bucket=self.input_bucket, Key=key, Body=body)
        return S3Event(self.input_bucket, key, answer["VersionId"])

    def messages(self, url: str) -> list[str]:
        """Take every message out of a queue."""
        sqs, found = boto3.client("sqs"), []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def put(self, key: str, body: str) -> None:
        boto3.client("s3").put_object(Bucket=self.output_bucket, Key=key, Body=body.encode())

    def keys(self) -> list[str]:
        answer = boto3.client("s3").list_objects_v2(Bucket=self.input_bucket)
        return [found["Key"] for found in answer.get("Contents", [])]

    def log(self, stage: str, *lines: tuple[int, str]) -> None:
        self.write(f"/test/{stage}", *lines)

    def write(self, group: str, *lines: tuple[int, str]) -> None:
        """Write lines, each with its milliseconds since the epoch, into a log group."""
        logs, stream = boto3.client("logs"), uuid.uuid4().hex
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": when, "message": text} for when, text in lines],
        )


@pytest.fixture
def launched(account: str, monkeypatch: pytest.MonkeyPatch, made: list[Launched]) -> Launched:
    """The environment, empty; it is made once, since that takes as long as most tests."""
    if made:
        (names,) = made
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", names.account)
        names.clear()
        return names
    made.append(make(account))
    return made[0]


@pytest.fixture(scope="session")
def made() -> list[Launched]:
    return []


def make(account: str) -> Launched:
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    input_bucket, output_bucket = f"input-{account}", f"output-{account}"
    groups = {
        f"Group{index}": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": name},
        }
        for index, name in enumerate([*(f"/test/{stage}" for stage in STAGES), FAILURES])
    }
    queues = {
        f"{logical_id(stage)}{kind}": {"Type": "AWS::SQS::Queue"}
        for stage in STAGES
        for kind in ("Queue", "DeadLetterQueue")
    }
    create_stack(
        STACK,
        {
            name: {
                "Type": "AWS::S3::Bucket",
                "Properties": {"BucketName": bucket, **versioned},
            }
            for name, bucket in (("Input", input_bucket), ("Output", output_bucket))
        }
        | groups
        | queues,
        {"InputBucketName": {"Ref": "Input"}, "OutputBucketName": {"Ref": "Output"}}
        | {
            f"{logical_id(stage)}LogGroupName": {"Ref": f"Group{index}"}
            for index, stage in enumerate(STAGES)
        }
        | {f"{name}Url": {"Ref": name} for name in queues},
    )
    create_stack(
        "TapStackdev",
        {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "ledger",
                    "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                },
            }
        },
        {"TurnAroundPromptTableName": {"Ref": "Table"}},
    )
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return Launched(
        account,
        input_bucket,
        output_bucket,
        {stage: outputs[f"{logical_id(stage)}QueueUrl"] for stage in STAGES},
        {stage: outputs[f"{logical_id(stage)}DeadLetterQueueUrl"] for stage in STAGES},
    )


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.strip().splitlines()
        return line


@pytest.fixture
def batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs `batch` with arguments as a shell would, exit code and all."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["batch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(bool(code)), captured.out, captured.err)

    return run
