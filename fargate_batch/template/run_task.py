"""What a rule needs to run a task: the target's parameters, and what its role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from troposphere import Sub, events

from fargate_batch.names import Output, StageOutput
from fargate_batch.template.compute import PLATFORM_VERSION, tasks_of_cluster
from fargate_batch.template.parts import STRINGS, arn, mark, wired
from fargate_batch.template.policy import Statement, allow

if TYPE_CHECKING:
    from troposphere import Template


def ecs_parameters(
    template: Template, task: str, strategy: list[dict[str, Any]]
) -> events.EcsParameters:
    """One task of a family in the private subnets.

    Args:
        template: takes the outputs that are needed as parameters.
        task: the stage, or `reconcile`.
        strategy: the capacity that it runs on.
    """
    return events.EcsParameters(
        # A family without a revision is its newest one. An update makes the new revision before it
        # retires the old, so that no event ever meets a retired one.
        TaskDefinitionArn=_definition_arn(template, task),
        TaskCount=1,
        PlatformVersion=PLATFORM_VERSION,
        CapacityProviderStrategy=[events.CapacityProviderStrategyItem(**item) for item in strategy],
        EnableECSManagedTags=True,
        PropagateTags="TASK_DEFINITION",
        NetworkConfiguration=events.NetworkConfiguration(
            AwsVpcConfiguration=events.AwsVpcConfiguration(
                AssignPublicIp="DISABLED",
                Subnets=wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS),
                SecurityGroups=[wired(template, Output.TASK_SECURITY_GROUP_ID)],
            )
        ),
    )


def run_task_statements(template: Template, tasks: list[str]) -> list[Statement]:
    """What EventBridge's role may do: run exactly these families, with exactly their roles."""
    started = tasks_of_cluster(template)
    roles = (StageOutput.EXECUTION_ROLE_ARN, StageOutput.TASK_ROLE_ARN)
    return [
        allow(
            ["ecs:RunTask"],
            [
                _definition_arn(template, task, revision)
                for task in tasks
                # Both forms: the request names the family, ECS its newest revision.
                for revision in ("", ":*")
            ],
            condition={"ArnEquals": {"ecs:cluster": wired(template, Output.CLUSTER_ARN)}},
        ),
        allow(
            ["ecs:TagResource"],
            [started],
            condition={"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
        allow(
            ["iam:PassRole"],
            [wired(template, role.of(task)) for task in tasks for role in roles],
            condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]


def _definition_arn(template: Template, task: str, revision: str = "") -> Sub:
    family = mark(template, StageOutput.TASK_FAMILY.of(task))
    return Sub(arn("ecs", f"task-definition/{family}{revision}"))
