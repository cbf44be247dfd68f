"""For each stage the rules that start its work, and start it again; and what finds lost work."""

from __future__ import annotations

import json

from batchkit.events import S3_EVENT
from batchkit.variables import Variable
from troposphere import GetAtt, Ref, Sub, Template, events, iam

from fargate_batch.names import RECONCILE, GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch, Settings, Stage
from fargate_batch.template import policy
from fargate_batch.template.compute import ON_DEMAND, capacity_strategy
from fargate_batch.template.failures import unfinished_tasks
from fargate_batch.template.parts import arn, give, mark, new_template, rendered, wired
from fargate_batch.template.run_task import ecs_parameters, run_task_statements

BUCKET_NAMES = {"input": Output.INPUT_BUCKET_NAME, "output": Output.OUTPUT_BUCKET_NAME}

# What a task is told of the object that it is run for.
HANDED_OVER = {
    Variable.EVENT_BUCKET: ("bucket", "$.detail.bucket.name"),
    Variable.EVENT_KEY: ("key", "$.detail.object.key"),
    Variable.EVENT_VERSION_ID: ("version", "$.detail.object.version-id"),
}

GIVEN = (
    StageOutput.QUEUE_ARN,
    StageOutput.DEAD_LETTER_QUEUE_ARN,
    StageOutput.TASK_FAMILY,
    StageOutput.EXECUTION_ROLE_ARN,
    StageOutput.TASK_ROLE_ARN,
)

# The same in both dispatch modes: with another id, a switch would remove one target and put the
# other, and an event in between would find none.
TARGET_ID = "work"

# After an hour, or so many attempts, an event goes to the stage's queue instead.
RETRIES = events.RetryPolicy(MaximumEventAgeInSeconds=3600, MaximumRetryAttempts=30)


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The stages' rules, reconcile's, and the role with which EventBridge runs tasks."""
    names = GivenNames(environment.project)
    template = new_template("Rules that start a stage's work, and start it again where it failed")
    for stage in environment.stages:
        # Every environment's stack file hands all of these over; dispatch decides who uses which.
        for given in GIVEN:
            wired(template, given.of(stage.name))
    run = [stage.name for stage in environment.stages if runs_tasks(stage)]
    role = template.add_resource(_role(template, [*run, RECONCILE], names))
    for stage in environment.stages:
        rule = template.add_resource(_rule(template, stage, environment, role, names))
        give(template, StageOutput.RULE_NAME.of(stage.name), Ref(rule))
        retry = template.add_resource(_retry_rule(template, stage, names))
        give(template, StageOutput.RETRY_RULE_NAME.of(stage.name), Ref(retry))
    schedule = template.add_resource(_reconcile_rule(template, environment, role, names))
    give(template, StageOutput.RULE_NAME.of(RECONCILE), Ref(schedule))
    return template


def runs_tasks(stage: Stage) -> bool:
    """Whether the stage's rule runs tasks itself.

    What listens to the input bucket always does: nobody else is there yet to start it. In queue
    mode its service works off what EventBridge could not deliver.
    """
    return stage.dispatch is Dispatch.TASK or stage.source.bucket == "input"


def _rule(
    template: Template,
    stage: Stage,
    environment: Settings,
    role: iam.Role,
    names: GivenNames,
) -> events.Rule:
    target = (
        _task_target(template, stage, environment, role)
        if runs_tasks(stage)
        else _queue_target(template, stage)
    )
    source, kind = S3_EVENT
    return events.Rule(
        f"{stage.logical_id}Rule",
        Name=Sub(names.of(stage.name)),
        Description=f"Objects that {stage.name} works on",
        State="ENABLED",
        EventPattern={
            "source": [source],
            "detail-type": [kind],
            "detail": {
                "bucket": {"name": [wired(template, BUCKET_NAMES[stage.source.bucket])]},
                "object": {"key": [{"wildcard": stage.source.key_pattern}]},
            },
        },
        Targets=[target],
    )


def _retry_rule(template: Template, stage: Stage, names: GivenNames) -> events.Rule:
    """Put a failed task's work on the stage's queue.

    In both dispatch modes: the input stage is always run, and a switch finds tasks still running.
    """
    family = mark(template, StageOutput.TASK_FAMILY.of(stage.name))
    return events.Rule(
        f"{stage.logical_id}RetryRule",
        Name=Sub(names.retry_rule(stage.name)),
        Description=f"Tasks of {stage.name} that failed or never started; its queue takes over",
        State="ENABLED",
        # The service's own tasks have the group service:..., and their messages come back by
        # themselves.
        EventPattern=unfinished_tasks(wired(template, Output.CLUSTER_ARN), Sub(f"family:{family}")),
        Targets=[_queue_target(template, stage)],
    )


def _reconcile_rule(
    template: Template, environment: Settings, role: iam.Role, names: GivenNames
) -> events.Rule:
    minutes = environment.reconcile.every_minutes
    return events.Rule(
        "ReconcileRule",
        Name=Sub(names.of(RECONCILE)),
        Description="Looks for work that nobody does and puts it on its queue",
        State="ENABLED",
        ScheduleExpression=f"rate({minutes} minutes)",
        Targets=[
            events.Target(
                Id=TARGET_ID,
                Arn=wired(template, Output.CLUSTER_ARN),
                RoleArn=GetAtt(role, "Arn"),
                # It mends what Spot and throttling break, so it does not run on Spot.
                EcsParameters=ecs_parameters(template, RECONCILE, ON_DEMAND),
                # Nothing is lost with one that could not be run: the next one finds as much.
                RetryPolicy=events.RetryPolicy(
                    MaximumEventAgeInSeconds=minutes * 60, MaximumRetryAttempts=3
                ),
            )
        ],
    )


def _task_target(
    template: Template, stage: Stage, environment: Settings, role: iam.Role
) -> events.Target:
    return events.Target(
        Id=TARGET_ID,
        Arn=wired(template, Output.CLUSTER_ARN),
        RoleArn=GetAtt(role, "Arn"),
        EcsParameters=ecs_parameters(
            template, stage.name, capacity_strategy(environment.capacity, base=False)
        ),
        InputTransformer=events.InputTransformer(
            InputPathsMap=dict(HANDED_OVER.values()),
            InputTemplate=_overrides(stage),
        ),
        RetryPolicy=RETRIES,
        DeadLetterConfig=events.DeadLetterConfig(
            Arn=wired(template, StageOutput.QUEUE_ARN.of(stage.name))
        ),
    )


def _queue_target(template: Template, stage: Stage) -> events.Target:
    return events.Target(
        Id=TARGET_ID,
        Arn=wired(template, StageOutput.QUEUE_ARN.of(stage.name)),
        RetryPolicy=RETRIES,
        DeadLetterConfig=events.DeadLetterConfig(
            Arn=wired(template, StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name))
        ),
    )


def _overrides(stage: Stage) -> str:
    """RunTask's overrides as an input template.

    The placeholders stand without quotes: EventBridge writes each value as JSON, quotes and
    escapes included, so that a key with a quote in it stays a key.
    """
    placeholders = {variable: f"<{name}>" for variable, (name, _) in HANDED_OVER.items()}
    text = json.dumps(
        {
            "containerOverrides": [
                {
                    "name": stage.name,
                    "command": ["run"],
                    "environment": [
                        {"name": variable, "value": value}
                        for variable, value in placeholders.items()
                    ],
                }
            ]
        },
        separators=(",", ":"),
    )
    for placeholder in placeholders.values():
        text = text.replace(f'"{placeholder}"', placeholder)
    return text


def _role(template: Template, tasks: list[str], names: GivenNames) -> iam.Role:
    return iam.Role(
        "EventBridgeRole",
        RoleName=Sub(names.role("events")),
        AssumeRolePolicyDocument=policy.trust(
            "events.amazonaws.com", source_arn=arn("events", f"rule/{names.of('*')}")
        ),
        Policies=[
            iam.Policy(
                PolicyName="run-tasks",
                PolicyDocument=policy.document(*run_task_statements(template, tasks)),
            )
        ],
    )
