"""Policies that hold a metric of a stage's service at its target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from troposphere import GetAtt, Ref, Sub
from troposphere import applicationautoscaling as scaling

from fargate_batch.names import Output, StageOutput, logical_id
from fargate_batch.template.metric_names import INSIGHTS, RUNNING_TASKS, SQS, WAITING
from fargate_batch.template.parts import wired

if TYPE_CHECKING:
    from troposphere import Template, ecs

    from fargate_batch.names import GivenNames
    from fargate_batch.settings import Stage


def hold_cpu(
    stage: Stage, target: scaling.ScalableTarget, names: GivenNames
) -> scaling.ScalingPolicy:
    """Hold the CPU at its target. From zero this cannot start: no task, no data point."""
    return _tracking_policy(
        stage,
        "cpu",
        target,
        names,
        scaling.TargetTrackingScalingPolicyConfiguration(
            PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(
                PredefinedMetricType="ECSServiceAverageCPUUtilization"
            ),
            TargetValue=stage.scaling.cpu_target_percent,
            **_cooldowns(stage),
        ),
    )


def hold_backlog_per_task(
    template: Template,
    stage: Stage,
    service: ecs.Service,
    target: scaling.ScalableTarget,
    names: GivenNames,
) -> scaling.ScalingPolicy:
    """Hold the number of waiting messages a running task.

    The largest scale-out of all policies wins, and tracking policies take tasks away only when all
    of them agree. At zero tasks this one has no data either: nothing can be divided by zero. See
    https://docs.aws.amazon.com/autoscaling/application/userguide/
    application-auto-scaling-target-tracking-metric-math.html
    """
    dimension = scaling.TargetTrackingMetricDimension
    queue = wired(template, StageOutput.QUEUE_NAME.of(stage.name))
    return _tracking_policy(
        stage,
        "backlog-per-task",
        target,
        names,
        scaling.TargetTrackingScalingPolicyConfiguration(
            CustomizedMetricSpecification=scaling.CustomizedMetricSpecification(
                Metrics=[
                    _tracked(
                        "waiting",
                        SQS,
                        WAITING,
                        "Maximum",
                        [dimension(Name="QueueName", Value=queue)],
                    ),
                    _tracked(
                        "running",
                        INSIGHTS,
                        RUNNING_TASKS,
                        "Average",
                        [
                            dimension(
                                Name="ClusterName", Value=wired(template, Output.CLUSTER_NAME)
                            ),
                            dimension(Name="ServiceName", Value=GetAtt(service, "Name")),
                        ],
                    ),
                    scaling.TargetTrackingMetricDataQuery(
                        Id="backlog",
                        Expression="waiting / running",
                        Label="Waiting messages a running task",
                        ReturnData=True,
                    ),
                ]
            ),
            TargetValue=stage.scaling.backlog_per_task,
            **_cooldowns(stage),
        ),
    )


def _tracked(
    identifier: str, namespace: str, metric: str, statistic: str, dimensions: list[Any]
) -> scaling.TargetTrackingMetricDataQuery:
    return scaling.TargetTrackingMetricDataQuery(
        Id=identifier,
        MetricStat=scaling.TargetTrackingMetricStat(
            Metric=scaling.TargetTrackingMetric(
                Namespace=namespace, MetricName=metric, Dimensions=dimensions
            ),
            Stat=statistic,
        ),
        ReturnData=False,
    )


def _cooldowns(stage: Stage) -> dict[str, int]:
    seconds = stage.scaling.cooldown_seconds
    return {"ScaleInCooldown": seconds, "ScaleOutCooldown": seconds}


def _tracking_policy(
    stage: Stage,
    kind: str,
    target: scaling.ScalableTarget,
    names: GivenNames,
    configuration: scaling.TargetTrackingScalingPolicyConfiguration,
) -> scaling.ScalingPolicy:
    return scaling.ScalingPolicy(
        stage.logical_id + logical_id(kind) + "Policy",
        PolicyName=Sub(names.of(f"{stage.name}-{kind}")),
        PolicyType="TargetTrackingScaling",
        ScalingTargetId=Ref(target),
        TargetTrackingScalingPolicyConfiguration=configuration,
    )
