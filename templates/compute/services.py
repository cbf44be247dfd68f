"""For each stage the service that works its queue, and how it scales."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, cloudwatch, ecs
from troposphere import applicationautoscaling as scaling

from fargate_batch import settings
from fargate_batch.names import GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch, Stage
from fargate_batch.template.compute import PLATFORM_VERSION, capacity_strategy
from fargate_batch.template.parts import STRINGS, body, give, new_template, wired

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
        # changes. So a new image stops a stage's workers, a busy one when it is done, and the
        # queue's depth starts new ones within two minutes. A relaunch that changes nothing keeps
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
        # For the container's own check; ECS once took this behind a load balancer only.
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
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
    backlog = template.add_resource(
        _step_policy(
            f"{stage.logical_id}BacklogPolicy",
            Sub(names.of(f"{stage.name}-backlog")),
            target,
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
    idle = template.add_resource(
        _step_policy(
            f"{stage.logical_id}IdlePolicy",
            Sub(names.of(f"{stage.name}-idle")),
            target,
            {
                "AdjustmentType": "ExactCapacity",
                "StepAdjustments": [_step(None, 0, stage.scaling.min_tasks)],
            },
        )
    )
    queue = wired(template, StageOutput.QUEUE_NAME.of(stage.name))
    waiting = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [cloudwatch.MetricDimension(Name="QueueName", Value=queue)],
        "Statistic": "Maximum",
        "Period": MINUTE,
    }
    template.add_resource(
        cloudwatch.Alarm(
            f"{stage.logical_id}BacklogAlarm",
            AlarmName=Sub(names.of(f"{stage.name}-backlog")),
            AlarmDescription=f"Starts workers of {stage.name}; nobody needs to act.",
            **waiting,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=1,
            TreatMissingData="notBreaching",
            AlarmActions=[Ref(backlog)],
        )
    )
    # The alarm sees only messages that wait. A worker with one in hand protects itself meanwhile.
    template.add_resource(
        cloudwatch.Alarm(
            f"{stage.logical_id}IdleAlarm",
            AlarmName=Sub(names.of(f"{stage.name}-idle")),
            AlarmDescription=f"Stops idle workers of {stage.name}; nobody needs to act.",
            **waiting,
            EvaluationPeriods=IDLE_MINUTES,
            ComparisonOperator="LessThanOrEqualToThreshold",
            Threshold=0,
            # A queue that nobody has used for hours has no data points at all.
            TreatMissingData="breaching",
            AlarmActions=[Ref(idle)],
        )
    )


def _step_policy(
    title: str, name: Sub, target: scaling.ScalableTarget, change: dict[str, Any]
) -> scaling.ScalingPolicy:
    return scaling.ScalingPolicy(
        title,
        PolicyName=name,
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
