"""For each stage the rule that hears of its objects and starts its work."""

from __future__ import annotations

import json
from typing import Any

from batchkit.variables import Variable
from troposphere import GetAtt, Ref, Sub, Template, events, iam

from fargate_batch import settings
from fargate_batch.names import GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch, Stage
from fargate_batch.template import policy
from fargate_batch.template.compute import PLATFORM_VERSION, capacity_strategy
from fargate_batch.template.parts import STRINGS, body, give, new_template, wired

BUCKET_NAMES = {"input": Output.INPUT_BUCKET_NAME, "output": Output.OUTPUT_BUCKET_NAME}

# What a task is told of the object that it is run for.
HANDED_OVER = {
    Variable.EVENT_BUCKET: ("bucket", "$.detail.bucket.name"),
    Variable.EVENT_KEY: ("key", "$.detail.object.key"),
    Variable.EVENT_VERSION_ID: ("version", "$.detail.object.version-id"),
    Variable.EVENT_SEQUENCER: ("sequencer", "$.detail.object.sequencer"),
}

GIVEN = (
    StageOutput.QUEUE_ARN,
    StageOutput.DEAD_LETTER_QUEUE_ARN,
    StageOutput.TASK_FAMILY,
    StageOutput.EXECUTION_ROLE_ARN,
    StageOutput.TASK_ROLE_ARN,
)

# After an hour, or so many attempts, an event goes to the stage's queue instead.
RETRIES = events.RetryPolicy(MaximumEventAgeInSeconds=3600, MaximumRetryAttempts=30)


def sceptre_handler(sceptre_user_data: dict[str, Any]) -> str:
    """Return the template's body.

    Raises:
        UserError: a setting is missing or out of range.
    """
    return body(build(settings.load(sceptre_user_data)))


def build(environment: settings.Settings) -> Template:
    """The stages' rules, and the role with which EventBridge runs tasks."""
    names = GivenNames(environment.project)
    template = new_template("Rules that start a stage's work when its objects are created")
    for stage in environment.stages:
        # Every environment's stack file hands all of these over; dispatch decides who uses which.
        for given in GIVEN:
            wired(template, given.of(stage.name))
    run = [stage for stage in environment.stages if runs_tasks(stage)]
    role = template.add_resource(_role(template, run, names))
    for stage in environment.stages:
        target = (
            _task_target(template, stage, environment, role)
            if runs_tasks(stage)
            else _queue_target(template, stage)
        )
        rule = template.add_resource(
            events.Rule(
                f"{stage.logical_id}Rule",
                Name=Sub(names.of(stage.name)),
                Description=f"Objects that {stage.name} works on",
                State="ENABLED",
                EventPattern=_pattern(template, stage),
                Targets=[target],
            )
        )
        give(template, StageOutput.RULE_NAME.of(stage.name), Ref(rule))
    give(template, Output.EVENTBRIDGE_ROLE_ARN, GetAtt(role, "Arn"))
    return template


def runs_tasks(stage: Stage) -> bool:
    """Whether the stage's rule runs tasks itself.

    What listens to the input bucket always does: nobody else is there yet to start it. In queue
    mode its service works off what EventBridge could not deliver.
    """
    return stage.dispatch is Dispatch.TASK or stage.source.bucket == "input"


def _pattern(template: Template, stage: Stage) -> dict[str, Any]:
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [wired(template, BUCKET_NAMES[stage.source.bucket])]},
            "object": {"key": [{"wildcard": stage.source.key_pattern}]},
        },
    }


def _task_target(
    template: Template, stage: Stage, environment: settings.Settings, role: iam.Role
) -> events.Target:
    family = StageOutput.TASK_FAMILY.of(stage.name)
    return events.Target(
        Id="task",
        Arn=wired(template, Output.CLUSTER_ARN),
        RoleArn=GetAtt(role, "Arn"),
        EcsParameters=events.EcsParameters(
            # A family without a revision is its newest one. An update makes the new revision
            # before it retires the old, so that no event ever meets a retired one.
            TaskDefinitionArn=_definition_arn(family),
            TaskCount=1,
            PlatformVersion=PLATFORM_VERSION,
            CapacityProviderStrategy=[
                events.CapacityProviderStrategyItem(**item)
                for item in capacity_strategy(environment.capacity)
            ],
            EnableECSManagedTags=True,
            PropagateTags="TASK_DEFINITION",
            NetworkConfiguration=events.NetworkConfiguration(
                AwsVpcConfiguration=events.AwsVpcConfiguration(
                    AssignPublicIp="DISABLED",
                    Subnets=wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS),
                    SecurityGroups=[wired(template, Output.TASK_SECURITY_GROUP_ID)],
                )
            ),
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
        Id="queue",
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
    marks = {variable: f"<{placeholder}>" for variable, (placeholder, _) in HANDED_OVER.items()}
    text = json.dumps(
        {
            "containerOverrides": [
                {
                    "name": stage.name,
                    "command": ["run"],
                    "environment": [
                        {"name": variable, "value": mark} for variable, mark in marks.items()
                    ],
                }
            ]
        },
        separators=(",", ":"),
    )
    for mark in marks.values():
        text = text.replace(f'"{mark}"', mark)
    return text


def _definition_arn(family_parameter: str, revision: str = "") -> Sub:
    return Sub(
        "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task-definition/"
        f"${{{family_parameter}}}{revision}"
    )


def _role(template: Template, stages: list[Stage], names: GivenNames) -> iam.Role:
    in_this_cluster = {"ArnEquals": {"ecs:cluster": wired(template, Output.CLUSTER_ARN)}}
    families = [StageOutput.TASK_FAMILY.of(stage.name) for stage in stages]
    wired(template, Output.CLUSTER_NAME)
    return iam.Role(
        "EventBridgeRole",
        RoleName=Sub(names.of("events-${AWS::Region}")),
        AssumeRolePolicyDocument=policy.trust(
            "events.amazonaws.com",
            source_arn="arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/"
            + names.of("*"),
        ),
        Policies=[
            iam.Policy(
                PolicyName="run-tasks",
                PolicyDocument=policy.document(
                    policy.allow(
                        ["ecs:RunTask"],
                        [
                            _definition_arn(family, revision)
                            for family in families
                            # Both forms: the request names the family, ECS its newest revision.
                            for revision in ("", ":*")
                        ],
                        condition=in_this_cluster,
                    ),
                    policy.allow(
                        ["ecs:TagResource"],
                        [
                            Sub(
                                "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:"
                                f"task/${{{Output.CLUSTER_NAME}}}/*"
                            )
                        ],
                        condition={"StringEquals": {"ecs:CreateAction": "RunTask"}},
                    ),
                    policy.allow(
                        ["iam:PassRole"],
                        [
                            wired(template, role.of(stage.name))
                            for stage in stages
                            for role in (
                                StageOutput.EXECUTION_ROLE_ARN,
                                StageOutput.TASK_ROLE_ARN,
                            )
                        ],
                        condition={
                            "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
                        },
                    ),
                ),
            )
        ],
    )
