"""What a task's two roles may do: no more than its stage's catalogue row says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from troposphere import Join, Ref, Sub

from fargate_batch.names import Output, StageOutput
from fargate_batch.template.compute import tasks_of_cluster
from fargate_batch.template.parts import wired
from fargate_batch.template.policy import Statement, allow

if TYPE_CHECKING:
    from troposphere import Template

    from fargate_batch.settings import Stage

READ_ACTIONS = ["s3:GetObject", "s3:GetObjectVersion"]

# Who may list is told that an object is gone, instead of being refused.
LIST_ACTIONS = ["s3:ListBucket"]

WRITE_ACTIONS = ["s3:AbortMultipartUpload", "s3:PutObject"]

# What an attempt that was cut off left half sent. The action knows no prefix, and tells keys only.
LIST_UPLOADS_ACTIONS = ["s3:ListBucketMultipartUploads"]

# What the ledger's claims and completions are made of.
LEDGER_ACTIONS = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]

PULL_ACTIONS = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
]

WRITE_LOG_ACTIONS = ["logs:CreateLogStream", "logs:PutLogEvents"]

QUEUE_ACTIONS = [
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:ReceiveMessage",
]

SEND_ACTIONS = ["sqs:SendMessage"]


def execution_statements(template: Template, task: str, *, image_of: str) -> list[Statement]:
    """What Fargate does on a task's behalf: pull its stage's image, write its log."""
    return [
        # The token is the account's; ECR defines no resource for it.
        allow(["ecr:GetAuthorizationToken"], ["*"]),
        allow(PULL_ACTIONS, [wired(template, StageOutput.REPOSITORY_ARN.of(image_of))]),
        allow(WRITE_LOG_ACTIONS, [wired(template, StageOutput.LOG_GROUP_ARN.of(task))]),
    ]


def task_statements(template: Template, stage: Stage) -> list[Statement]:
    """What the stage's code does: its objects, its queue, the ledger, and its own protection."""
    tasks = tasks_of_cluster(template)
    statements = []
    for bucket, arn in bucket_arns(template).items():
        reads, writes = getattr(stage.reads, bucket), getattr(stage.writes, bucket)
        if reads:
            statements.append(allow(READ_ACTIONS, _objects(arn, reads)))
            # A request for an object names no prefix, hence IfExists.
            condition = {"StringLikeIfExists": {"s3:prefix": [*reads]}}
            statements.append(allow(LIST_ACTIONS, [arn], condition=condition))
        if writes:
            statements.append(allow(WRITE_ACTIONS, _objects(arn, writes)))
            statements.append(allow(LIST_UPLOADS_ACTIONS, [arn]))
    return [
        *statements,
        use_key_through(template, "s3", "sqs"),
        allow(QUEUE_ACTIONS, [wired(template, StageOutput.QUEUE_ARN.of(stage.name))]),
        # What it has given up on, with the reason.
        allow(SEND_ACTIONS, [wired(template, StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name))]),
        allow(LEDGER_ACTIONS, [wired(template, Output.LEDGER_TABLE_ARN)]),
        # A worker protects itself from scale-in while it holds a message.
        allow(
            ["ecs:UpdateTaskProtection"],
            [tasks],
            condition={"ArnEquals": {"ecs:cluster": wired(template, Output.CLUSTER_ARN)}},
        ),
    ]


def bucket_arns(template: Template) -> dict[str, Ref]:
    """The buckets' ARNs by the names that the catalogue gives the buckets."""
    return {
        "input": wired(template, Output.INPUT_BUCKET_ARN),
        "output": wired(template, Output.OUTPUT_BUCKET_ARN),
    }


def use_key_through(template: Template, *services: str) -> Statement:
    """Use the environment's key, only through services that de- and encrypt for the task."""
    return allow(
        ["kms:Decrypt", "kms:GenerateDataKey"],
        [wired(template, Output.KEY_ARN)],
        condition={
            "StringEquals": {
                "kms:ViaService": [
                    Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}") for service in services
                ]
            }
        },
    )


def _objects(bucket_arn: Ref, patterns: tuple[str, ...]) -> list[Any]:
    return [Join("/", [bucket_arn, pattern]) for pattern in patterns]
