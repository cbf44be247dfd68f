"""What a stage is: a package with a `handle` function, found by the stage's name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3

from batchkit import clients
from batchkit.claims import Claims
from batchkit.dead_letters import DeadLetterQueue
from batchkit.environment import number
from batchkit.errors import BadEnvironmentError
from batchkit.ledger import Ledger
from batchkit.metrics import Metrics
from batchkit.runs import run_id, run_of_key
from batchkit.storage import Storage
from batchkit.variables import Variable

if TYPE_CHECKING:
    from batchkit.environment import TaskEnvironment
    from batchkit.events import S3Event


@dataclass(frozen=True)
class Context:
    """What a handler works with."""

    task: TaskEnvironment
    storage: Storage
    ledger: Ledger
    claims: Claims
    dead_letters: DeadLetterQueue
    metrics: Metrics
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
    return context(task, boto3.Session(region_name=task.region))


def context(task: TaskEnvironment, session: boto3.Session) -> Context:
    """Make the context of a task whose session there is already.

    Raises:
        BadEnvironmentError: the task's price is no number.
    """
    price = number(task.options, Variable.TASK_PRICE_PER_HOUR, default=0, low=0, high=1000)
    metrics = Metrics(task.environment, task.stage, price)
    dynamodb = clients.dynamodb(session)
    return Context(
        task=task,
        storage=Storage(clients.s3(session), task.output_bucket),
        ledger=Ledger(dynamodb, task.ledger_table, moved=metrics.run_moved),
        claims=Claims(dynamodb, task.ledger_table),
        dead_letters=DeadLetterQueue(clients.sqs(session), task.dead_letter_queue_url, task.stage),
        metrics=metrics,
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
