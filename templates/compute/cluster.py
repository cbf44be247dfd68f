"""The cluster, and the log groups that the tasks write to: one a stage, and reconcile's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, Ref, Sub, Template, ecs, logs

from fargate_batch.names import RECONCILE, GivenNames, Output, StageOutput, logical_id
from fargate_batch.template.compute import capacity_strategy
from fargate_batch.template.parts import give, new_template, rendered, wired

if TYPE_CHECKING:
    from fargate_batch.settings import Settings


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The cluster with both Fargate providers, and the log groups."""
    names = GivenNames(environment.project)
    template = new_template("The cluster of the tasks, and their log groups")
    key = wired(template, Output.KEY_ARN)
    for task in (*(stage.name for stage in environment.stages), RECONCILE):
        group = template.add_resource(
            logs.LogGroup(
                f"{logical_id(task)}LogGroup",
                LogGroupName=Sub(names.log_group(task)),
                RetentionInDays=environment.log_retention_days,
                KmsKeyId=key,
            )
        )
        give(template, StageOutput.LOG_GROUP_NAME.of(task), Ref(group))
        give(template, StageOutput.LOG_GROUP_ARN.of(task), GetAtt(group, "Arn"))
    insights = {}
    if environment.counts_tasks:
        # Container Insights would make this group itself: kept for ever, without our key, and left
        # behind by a delete.
        template.add_resource(
            logs.LogGroup(
                "InsightsLogGroup",
                LogGroupName=Sub(names.insights_log_group()),
                RetentionInDays=environment.log_retention_days,
                KmsKeyId=key,
            )
        )
        insights = {"DependsOn": "InsightsLogGroup"}
    cluster = template.add_resource(
        ecs.Cluster(
            "Cluster",
            ClusterName=Sub(names.cluster()),
            CapacityProviders=["FARGATE", "FARGATE_SPOT"],
            DefaultCapacityProviderStrategy=[
                ecs.CapacityProviderStrategyItem(**item)
                for item in capacity_strategy(environment.capacity)
            ],
            ClusterSettings=[
                ecs.ClusterSetting(Name="containerInsights", Value=environment.container_insights)
            ],
            **insights,
        )
    )
    give(template, Output.CLUSTER_NAME, Ref(cluster))
    give(template, Output.CLUSTER_ARN, GetAtt(cluster, "Arn"))
    return template
