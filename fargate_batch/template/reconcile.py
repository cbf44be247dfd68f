"""The task that finds work that nobody does: small, with the first stage's image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from batchkit.place import Route
from batchkit.variables import Variable
from troposphere import Sub

from fargate_batch.names import RECONCILE, Output, StageOutput
from fargate_batch.template.parts import mark, wired
from fargate_batch.template.policy import Statement, allow
from fargate_batch.template.stage_access import (
    SEND_ACTIONS,
    bucket_arns,
    execution_statements,
    use_key_through,
)
from fargate_batch.template.task_definition import Task, every_tasks_variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from troposphere import Template

    from fargate_batch.settings import Settings, Stage

# Fargate's smallest.
CPU: Final = 256
MEMORY_MIB: Final = 512

LIST_ACTIONS: Final = ["s3:ListBucketVersions"]

# To ask for a queue is what keeps it active.
QUEUE_ACTIONS: Final = [*SEND_ACTIONS, "sqs:GetQueueAttributes"]

# It reads records and claims, and marks the claims whose work it puts on a queue.
LEDGER_ACTIONS: Final = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]


def reconcile_task(template: Template, environment: Settings) -> Task:
    """The task as the settings want it; it runs `reconcile` and ends."""
    first = environment.stages[0].name
    return Task(
        name=RECONCILE,
        image_of=first,
        cpu=CPU,
        memory=MEMORY_MIB,
        command=("reconcile",),
        # It ends by itself, and ECS restarts only a service's unhealthy tasks.
        health_check=False,
        environment={
            **every_tasks_variables(template, RECONCILE),
            Variable.STAGES: _routes(template, environment.stages),
            Variable.RECONCILE_LOOKBACK_HOURS: str(environment.reconcile.lookback_hours),
            Variable.RUN_EXPECTED_MINUTES: str(environment.alarms.run_expected_minutes),
        },
        execution=execution_statements(template, RECONCILE, image_of=first),
        permissions=_statements(template, environment.stages),
    )


def _routes(template: Template, stages: Iterable[Stage]) -> Sub:
    """How each stage gets its work, as JSON in which CloudFormation fills the queues in."""
    return Sub(
        json.dumps(
            [
                {
                    "name": stage.name,
                    "bucket": stage.source.bucket,
                    "key_pattern": stage.source.key_pattern,
                    "queue_url": mark(template, StageOutput.QUEUE_URL.of(stage.name)),
                }
                for stage in stages
            ],
            separators=(",", ":"),
        )
    )


def _statements(template: Template, stages: tuple[Stage, ...]) -> list[Statement]:
    """List what the stages listen to, without reading any of it; the ledger; the queues."""
    listings = []
    for bucket, arn in bucket_arns(template).items():
        prefixes = _listened_to(stage for stage in stages if stage.source.bucket == bucket)
        if prefixes:
            listings.append(
                allow(
                    LIST_ACTIONS,
                    [arn],
                    condition={"StringLike": {"s3:prefix": prefixes}},
                )
            )
    queues: list[Any] = [wired(template, StageOutput.QUEUE_ARN.of(stage.name)) for stage in stages]
    return [
        *listings,
        use_key_through(template, "sqs"),
        allow(QUEUE_ACTIONS, queues),
        allow(LEDGER_ACTIONS, [wired(template, Output.LEDGER_TABLE_ARN)]),
    ]


def _listened_to(stages: Iterable[Stage]) -> list[str]:
    """The prefixes below which these stages' objects lie, each once, as patterns."""
    prefixes = (
        Route(stage.name, stage.source.bucket, stage.source.key_pattern, "").prefix
        for stage in stages
    )
    return [f"{prefix}*" for prefix in dict.fromkeys(prefixes)]
