"""What a stage is: a package with a `handle` function, found by the stage's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from batchkit.claims import Claims
from batchkit.errors import BadEnvironmentError
from batchkit.ledger import Ledger
from batchkit.runs import run_id, run_of_key
from batchkit.storage import Storage

if TYPE_CHECKING:
    from batchkit.environment import TaskEnvironment
    from batchkit.events import S3Event


@dataclass(frozen=True)
class Context:
    """What a handler works with."""

    task: TaskEnvironment
    session: boto3.Session
    storage: Storage
    ledger: Ledger
    claims: Claims
    run_id: str = ""
    """The run of the event in hand."""

    def for_event(self, event: S3Event) -> Context:
        """Return the context of one event, with its run."""
        own = run_of_key(event.key) if event.bucket == self.task.output_bucket else None
        return replace(self, run_id=own or run_id(event.bucket, event.key, event.version_id))


Handler = Callable[["S3Event", Context], None]
"""Works one event. Returns when it is done, raises `Rejected` when it never can be."""


def connect(task: TaskEnvironment) -> Context:
    """Make the context of this task; credentials and endpoints come the way boto3 finds them."""
    session = boto3.Session(region_name=task.region)
    config = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5)
    dynamodb = session.client("dynamodb", config=config)
    return Context(
        task=task,
        session=session,
        storage=Storage(session.client("s3", config=config), task.output_bucket),
        ledger=Ledger(dynamodb, task.ledger_table),
        claims=Claims(dynamodb, task.ledger_table),
    )


def load_handler(stage: str) -> Handler:
    """Import the stage's package and return its `handle`: data-ingestion is data_ingestion.handle.

    Raises:
        BadEnvironmentError: this image has no such package, or it has no `handle`.
    """
    name = stage.replace("-", "_")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise BadEnvironmentError(
            f"STAGE is '{stage}', and this image has no package '{name}'."
        ) from error
    handler: Handler | None = getattr(module, "handle", None)
    if handler is None:
        raise BadEnvironmentError(f"The package '{name}' has no function `handle(event, context)`.")
    return handler
