"""A place to work in: two buckets, two queues and a ledger on a local AWS, new for every test."""

from __future__ import annotations

import io
import json
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import polars as pl
import pytest
from batchkit import environment
from batchkit.claims import Claims
from batchkit.events import S3Event
from batchkit.ledger import Ledger
from batchkit.runs import RunKeys, run_id
from batchkit.stage import Context, load_handler
from batchkit.stage import context as stage_context
from batchkit.task import Busy, Worked, perform

from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
STAGES = ("data-ingestion", "risk-calculation", "report-generation")
REGION: Final = "eu-west-1"

# As in an image, a stage's package lies on the path beside batchkit; the root is for the tests.
sys.path[:0] = [str(PROJECT), *(str(PROJECT / "images" / stage) for stage in STAGES)]


class OneClientASession(boto3.Session):
    """Keeps its clients, for making one takes longer than most of what the tests do with it."""

    def __init__(self, aws: LocalAws) -> None:
        super().__init__(region_name=REGION)
        self._aws = aws
        self._clients: dict[str, Any] = {}

    def client(self, service_name: str, *_: Any, **__: Any) -> Any:
        """Return the one client of a service."""
        if service_name not in self._clients:
            self._clients[service_name] = self._aws.client(service_name)
        return self._clients[service_name]


@dataclass
class Place:
    """One test's buckets, queues and ledger."""

    aws: LocalAws
    session: boto3.Session
    name: str
    queue_url: str = ""
    dead_letter_url: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def input_bucket(self) -> str:
        return f"input-{self.name}"

    @property
    def output_bucket(self) -> str:
        return f"output-{self.name}"

    @property
    def table(self) -> str:
        return f"ledger-{self.name}"

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.session.client("dynamodb"), self.table)

    @property
    def claims(self) -> Claims:
        return Claims(self.session.client("dynamodb"), self.table)

    def create(self) -> None:
        s3 = self.session.client("s3")
        for bucket in (self.input_bucket, self.output_bucket):
            s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.session.client("dynamodb").create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        sqs = self.session.client("sqs")
        self.queue_url = sqs.create_queue(QueueName=f"queue-{self.name}")["QueueUrl"]
        self.dead_letter_url = sqs.create_queue(QueueName=f"dead-{self.name}")["QueueUrl"]

    def variables(self, stage: str) -> dict[str, str]:
        """The environment variables of a task."""
        return {
            **self.aws.environment,
            "AWS_REGION": REGION,
            "STAGE": stage,
            "ENVIRONMENT": "test",
            "INPUT_BUCKET": self.input_bucket,
            "OUTPUT_BUCKET": self.output_bucket,
            "LEDGER_TABLE": self.table,
            "QUEUE_URL": self.queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_url,
            **self.options,
        }

    def context(self, stage: str) -> Context:
        return stage_context(environment.read(self.variables(stage)), self.session)

    def upload(self, key: str, body: bytes) -> S3Event:
        """Put an object into the input bucket and return its event."""
        answer = self.session.client("s3").put_object(Bucket=self.input_bucket, Key=key, Body=body)
        return S3Event(self.input_bucket, key, answer["VersionId"])

    def run_id(self, event: S3Event) -> str:
        return run_id(event.bucket, event.key, event.version_id)

    def written(self, key: str) -> S3Event:
        """The event of an object in the output bucket."""
        head = self.session.client("s3").head_object(Bucket=self.output_bucket, Key=key)
        return S3Event(self.output_bucket, key, head["VersionId"])

    def output_keys(self, prefix: str = "runs/") -> list[str]:
        return list(self.context("data-ingestion").storage.find(self.output_bucket, prefix))

    def read(self, key: str) -> bytes:
        return self.context("data-ingestion").storage.read_output(key)

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def read_frame(self, key: str) -> pl.DataFrame:
        return pl.read_parquet(io.BytesIO(self.read(key)))

    def work(self, stage: str, event: S3Event) -> Worked | Busy:
        """Work one event as a task of that stage does."""
        return perform(event, self.context(stage), load_handler(stage))

    def work_all(self, event: S3Event) -> str:
        """Work a positions file through all stages and return its run."""
        run = self.run_id(event)
        keys = RunKeys(run)
        self.work("data-ingestion", event)
        for key in self.output_keys(f"{keys.prefix}shards/"):
            self.work("risk-calculation", self.written(key))
        self.work("report-generation", self.written(keys.complete))
        return run


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(region=REGION, use_engine=False) as started:
        yield started


@pytest.fixture(scope="session")
def session(aws: LocalAws) -> boto3.Session:
    return OneClientASession(aws)


@pytest.fixture
def place(
    aws: LocalAws, session: boto3.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    # For polars, which finds its credentials itself.
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = Place(aws, session, uuid.uuid4().hex[:12])
    made.create()
    return made
