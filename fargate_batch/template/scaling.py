"""How a stage's service scales: from zero and back by its queue, in between by its load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from troposphere import GetAtt, Ref, Sub, cloudwatch
from troposphere import applicationautoscaling as scaling

from fargate_batch.names import Output, StageOutput, logical_id
from fargate_batch.template.metric_names import IN_HAND, SQS, WAITING
from fargate_batch.template.parts import wired
from fargate_batch.template.tracking import hold_backlog_per_task, hold_cpu

if TYPE_CHECKING:
    from troposphere import Template, ecs

    from fargate_batch.names import GivenNames
    from fargate_batch.settings import Stage

MINUTE: Final = 60
IDLE_MINUTES: Final = 10


def add_scaling(
    template: Template, stage: Stage, service: ecs.Service, names: GivenNames, *, hold_backlog: bool
) -> None:
    """Add the service's scalable target with its policies and their alarms.

    Args:
        template: has the service.
        stage: gives the limits.
        service: is scaled.
        names: of the environment.
        hold_backlog: whether the number of waiting messages a running task is held, which somebody
            must count.
    """
    target = template.add_resource(_scalable_target(stage, service))
    template.add_resource(hold_cpu(stage, target, names))
    if hold_backlog:
        template.add_resource(hold_backlog_per_task(template, stage, service, target, names))
    _leave_zero(template, stage, target, names)
    _return_when_idle(template, stage, target, names)


def _scalable_target(stage: Stage, service: ecs.Service) -> scaling.ScalableTarget:
    return scaling.ScalableTarget(
        f"{stage.logical_id}ScalableTarget",
        ServiceNamespace="ecs",
        ScalableDimension="ecs:service:DesiredCount",
        ResourceId=Sub(
            f"service/${{{Output.CLUSTER_NAME}}}/${{Service}}", Service=GetAtt(service, "Name")
        ),
        MinCapacity=stage.scaling.min_tasks,
        MaxCapacity=stage.scaling.max_tasks,
    )


def _leave_zero(
    template: Template, stage: Stage, target: scaling.ScalableTarget, names: GivenNames
) -> None:
    """Start tasks when messages wait: the first one from zero, more for more messages."""
    most = stage.scaling.max_tasks
    policy = template.add_resource(
        _step_policy(
            stage,
            "backlog",
            target,
            names,
            # The alarm's threshold is one message; bounds count from there.
            {
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [
                    _step(0, 9, 1),
                    _step(9, 99, max(1, most // 4)),
                    _step(99, None, max(1, most // 2)),
                ],
            },
        )
    )
    template.add_resource(
        cloudwatch.Alarm(
            f"{stage.logical_id}BacklogAlarm",
            AlarmName=Sub(names.of(f"{stage.name}-backlog")),
            AlarmDescription=f"Starts workers of {stage.name}; nobody needs to act.",
            Namespace=SQS,
            MetricName=WAITING,
            Dimensions=[
                cloudwatch.MetricDimension(Name="QueueName", Value=_queue(template, stage))
            ],
            Statistic="Maximum",
            Period=MINUTE,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=1,
            TreatMissingData="notBreaching",
            AlarmActions=[Ref(policy)],
        )
    )


def _return_when_idle(
    template: Template, stage: Stage, target: scaling.ScalableTarget, names: GivenNames
) -> None:
    """Go back to the least when no message has waited or been in hand for a while."""
    policy = template.add_resource(
        _step_policy(
            stage,
            "idle",
            target,
            names,
            {
                "AdjustmentType": "ExactCapacity",
                "StepAdjustments": [_step(None, 0, stage.scaling.min_tasks)],
            },
        )
    )
    template.add_resource(
        cloudwatch.Alarm(
            f"{stage.logical_id}IdleAlarm",
            AlarmName=Sub(names.of(f"{stage.name}-idle")),
            AlarmDescription=f"Stops idle workers of {stage.name}; nobody needs to act.",
            Metrics=[
                _alarmed(template, stage, "waiting", WAITING),
                _alarmed(template, stage, "in_hand", IN_HAND),
                cloudwatch.MetricDataQuery(
                    Id="unfinished",
                    # SQS may report no messages in hand rather than 0, and a sum lacks data where
                    # a part of it does: messages would wait, and count as none.
                    Expression="FILL(waiting, 0) + FILL(in_hand, 0)",
                    Label="Messages that are not finished",
                    ReturnData=True,
                ),
            ],
            EvaluationPeriods=IDLE_MINUTES,
            ComparisonOperator="LessThanOrEqualToThreshold",
            Threshold=0,
            # A queue that nobody has used for hours has no data points at all.
            TreatMissingData="breaching",
            AlarmActions=[Ref(policy)],
        )
    )


def _alarmed(
    template: Template, stage: Stage, identifier: str, metric: str
) -> cloudwatch.MetricDataQuery:
    return cloudwatch.MetricDataQuery(
        Id=identifier,
        MetricStat=cloudwatch.MetricStat(
            Metric=cloudwatch.Metric(
                Namespace=SQS,
                MetricName=metric,
                Dimensions=[
                    cloudwatch.MetricDimension(Name="QueueName", Value=_queue(template, stage))
                ],
            ),
            Period=MINUTE,
            Stat="Maximum",
        ),
        ReturnData=False,
    )


def _queue(template: Template, stage: Stage) -> Ref:
    return wired(template, StageOutput.QUEUE_NAME.of(stage.name))


def _step_policy(
    stage: Stage,
    kind: str,
    target: scaling.ScalableTarget,
    names: GivenNames,
    change: dict[str, Any],
) -> scaling.ScalingPolicy:
    return scaling.ScalingPolicy(
        stage.logical_id + logical_id(kind) + "Policy",
        PolicyName=Sub(names.of(f"{stage.name}-{kind}")),
        PolicyType="StepScaling",
        ScalingTargetId=Ref(target),
        StepScalingPolicyConfiguration=scaling.StepScalingPolicyConfiguration(
            Cooldown=MINUTE, MetricAggregationType="Maximum", **change
        ),
    )


def _step(lower: int | None, upper: int | None, change: int) -> scaling.StepAdjustment:
    bounds = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
    return scaling.StepAdjustment(
        ScalingAdjustment=change,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    )
