"""For each stage the service that works its queue, and how it scales."""

from __future__ import annotations

from typing import Any

from fargate_batch import settings
from fargate_batch.names import GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch, Stage
from fargate_batch.template.compute import PLATFORM_VERSION, capacity_strategy
from fargate_batch.template.parts import STRINGS, body, give, new_template, wired
from troposphere import GetAtt, Ref, Sub, Template, cloudwatch, ecs
from troposphere import applicationautoscaling as scaling

MINUTE = 60
IDLE_MINUTES = 10


def sceptre_handler(sceptre_user_data: dict[str, Any]) -> str:
    """Return the template's body.

    Raises:
        UserError: a setting is missing or out of range.
    """
    return body(build(settings.load(sceptre_user_data)))


def build(environment: settings.Settings) -> Template:
    """The stages' services, their scalable targets and policies."""
    names = GivenNames(environment.project)
    template = new_template("Services of the stages, and how they scale")
    wired(template, Output.CLUSTER_NAME)
    for stage in environment.stages:
        # Every environment's stack file hands the queue over; only queue mode looks at it.
        wired(template, StageOutput.QUEUE_NAME.of(stage.name))
        service = template.add_resource(_service(template, stage, environment, names))
        target = template.add_resource(_scalable_target(stage, service))
        template.add_resource(_hold_cpu(stage, target, names))
        if stage.dispatch is Dispatch.QUEUE:
            _add_queue_scaling(template, stage, target, names)
        give(template, StageOutput.SERVICE_NAME.of(stage.name), GetAtt(service, "Name"))
        give(template, StageOutput.SERVICE_ARN.of(stage.name), Ref(service))
    return template


def _service(
    template: Template, stage: Stage, environment: settings.Settings, names: GivenNames
) -> ecs.Service:
    return ecs.Service(
        f"{stage.logical_id}Service",
        ServiceName=Sub(names.service(stage.name)),
        Cluster=wired(template, Output.CLUSTER_ARN),
        TaskDefinition=wired(template, StageOutput.TASK_DEFINITION_ARN.of(stage.name)),
        # CloudFormation has no initial count that it then leaves alone: without one it starts a
        # task before anybody asked, with one it writes it again whenever the service itself
        # changes. So a new image stops a stage's workers; their messages return to the queue, and
        # its depth starts new workers within two minutes. A relaunch that changes nothing keeps
        # whatever the scaling has set.
        DesiredCount=0,
        CapacityProviderStrategy=[
            ecs.CapacityProviderStrategyItem(**item)
            for item in capacity_strategy(environment.capacity)
        ],
        PlatformVersion=PLATFORM_VERSION,
        # Fargate takes no placement strategies; three subnets and this spread over the zones.
        AvailabilityZoneRebalancing="ENABLED",
        DeploymentConfiguration=ecs.DeploymentConfiguration(
            MinimumHealthyPercent=100,
            MaximumPercent=200,
            DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True),
        ),
        HealthCheckGracePeriodSeconds=120,
        EnableECSManagedTags=True,
        PropagateTags="SERVICE",
        NetworkConfiguration=ecs.NetworkConfiguration(
            AwsvpcConfiguration=ecs.AwsvpcConfiguration(
                AssignPublicIp="DISABLED",
                Subnets=wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS),
                SecurityGroups=[wired(template, Output.TASK_SECURITY_GROUP_ID)],
            )
        ),
    )


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
        RoleARN=Sub(
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/"
            "ecs.application-autoscaling.amazonaws.com/"
            "AWSServiceRoleForApplicationAutoScaling_ECSService"
        ),
    )


def _hold_cpu(
    stage: Stage, target: scaling.ScalableTarget, names: GivenNames
) -> scaling.ScalingPolicy:
    """Hold the CPU at its target. From zero this cannot start: no task, no data point."""
    return scaling.ScalingPolicy(
        f"{stage.logical_id}CpuPolicy",
        PolicyName=Sub(names.of(f"{stage.name}-cpu")),
        PolicyType="TargetTrackingScaling",
        ScalingTargetId=Ref(target),
        TargetTrackingScalingPolicyConfiguration=scaling.TargetTrackingScalingPolicyConfiguration(
            PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(
                PredefinedMetricType="ECSServiceAverageCPUUtilization"
            ),
            TargetValue=stage.scaling.cpu_target_percent,
            ScaleInCooldown=stage.scaling.cooldown_seconds,
            ScaleOutCooldown=stage.scaling.cooldown_seconds,
        ),
    )


def _add_queue_scaling(
    template: Template, stage: Stage, target: scaling.ScalableTarget, names: GivenNames
) -> None:
    """Leave zero when messages wait, and return to it when none has come for a while."""
    most = stage.scaling.max_tasks
    start = template.add_resource(
        _step_policy(
            stage,
            target,
            names,
            purpose="backlog",
            adjustment="ChangeInCapacity",
            # The alarm's threshold is one message; bounds count from there.
            steps=[(0, 9, 1), (9, 99, _share(most, 4)), (99, None, _share(most, 2))],
        )
    )
    stop = template.add_resource(
        _step_policy(
            stage,
            target,
            names,
            purpose="idle",
            adjustment="ExactCapacity",
            steps=[(None, 0, stage.scaling.min_tasks)],
        )
    )
    queue = wired(template, StageOutput.QUEUE_NAME.of(stage.name))
    for purpose, policy, minutes, comparison, threshold, missing in (
        ("backlog", start, 1, "GreaterThanOrEqualToThreshold", 1, "notBreaching"),
        # A queue that nobody has used for hours has no data points at all. Workers that still hold
        # a message have protected themselves from scale-in.
        ("idle", stop, IDLE_MINUTES, "LessThanOrEqualToThreshold", 0, "breaching"),
    ):
        template.add_resource(
            cloudwatch.Alarm(
                f"{stage.logical_id}{purpose.capitalize()}Alarm",
                AlarmName=Sub(names.of(f"{stage.name}-{purpose}")),
                AlarmDescription=f"Scales the service of {stage.name}; nobody needs to act.",
                Namespace="AWS/SQS",
                MetricName="ApproximateNumberOfMessagesVisible",
                Dimensions=[cloudwatch.MetricDimension(Name="QueueName", Value=queue)],
                Statistic="Maximum",
                Period=MINUTE,
                EvaluationPeriods=minutes,
                ComparisonOperator=comparison,
                Threshold=threshold,
                TreatMissingData=missing,
                AlarmActions=[Ref(policy)],
            )
        )


def _share(most: int, parts: int) -> int:
    return max(1, most // parts)


def _step_policy(
    stage: Stage,
    target: scaling.ScalableTarget,
    names: GivenNames,
    *,
    purpose: str,
    adjustment: str,
    steps: list[tuple[int | None, int | None, int]],
) -> scaling.ScalingPolicy:
    return scaling.ScalingPolicy(
        f"{stage.logical_id}{purpose.capitalize()}Policy",
        PolicyName=Sub(names.of(f"{stage.name}-{purpose}")),
        PolicyType="StepScaling",
        ScalingTargetId=Ref(target),
        StepScalingPolicyConfiguration=scaling.StepScalingPolicyConfiguration(
            AdjustmentType=adjustment,
            Cooldown=MINUTE,
            MetricAggregationType="Maximum",
            StepAdjustments=[_step(*step) for step in steps],
        ),
    )


def _step(lower: int | None, upper: int | None, change: int) -> scaling.StepAdjustment:
    bounds = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
    return scaling.StepAdjustment(
        ScalingAdjustment=change,
        **{name: bound for name, bound in bounds.items() if bound is not None},
    )
