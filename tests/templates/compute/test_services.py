from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import Output, StackPath, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def services(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.SERVICES)


def service(services: Rendered, stage: Stage) -> dict[str, Any]:
    return services.properties(f"{stage.logical_id}Service")


def queued(settings: Settings) -> list[Stage]:
    return [stage for stage in settings.stages if stage.dispatch is Dispatch.QUEUE]


def test_services_begin_with_no_task(services: Rendered) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        assert one["DesiredCount"] == 0


def test_a_deployment_that_fails_is_rolled_back(services: Rendered) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        breaker = one["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}
        assert one["HealthCheckGracePeriodSeconds"] == 120


def test_services_stand_in_private_subnets_without_a_public_address(services: Rendered) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        assert one["NetworkConfiguration"]["AwsvpcConfiguration"] == {
            "AssignPublicIp": "DISABLED",
            "Subnets": {"Ref": Output.PRIVATE_SUBNET_IDS},
            "SecurityGroups": [{"Ref": Output.TASK_SECURITY_GROUP_ID}],
        }
    kind = services.template["Parameters"][Output.PRIVATE_SUBNET_IDS]["Type"]
    assert kind == "CommaDelimitedList"


def test_tasks_are_spread_over_zones_as_fargate_allows(services: Rendered) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        assert one["AvailabilityZoneRebalancing"] == "ENABLED"
        # Fargate refuses these, and rebalancing wants room for one task more.
        assert "PlacementStrategies" not in one
        assert one["DeploymentConfiguration"]["MaximumPercent"] > 100


def test_platform_is_at_least_1_4_0(services: Rendered) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        assert one["PlatformVersion"] == "1.4.0"


def test_capacity_is_the_environments(services: Rendered, settings: Settings) -> None:
    for one in services.of_type("AWS::ECS::Service").values():
        strategy = {
            item["CapacityProvider"]: item["Weight"] for item in one["CapacityProviderStrategy"]
        }
        assert strategy == {
            "FARGATE": settings.capacity.fargate_weight,
            "FARGATE_SPOT": settings.capacity.fargate_spot_weight,
        }
        assert "LaunchType" not in one


def test_service_runs_the_newest_revision(services: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        assert service(services, stage)["TaskDefinition"] == {
            "Ref": StageOutput.TASK_DEFINITION_ARN.of(stage.name)
        }


def test_each_service_scales_between_its_limits(services: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        target = services.properties(f"{stage.logical_id}ScalableTarget")
        limits = (target["MinCapacity"], target["MaxCapacity"])
        assert limits == (stage.scaling.min_tasks, stage.scaling.max_tasks)
        template, variables = target["ResourceId"]["Fn::Sub"]
        assert template == "service/${ClusterName}/${Service}"
        assert variables["Service"] == {"Fn::GetAtt": [f"{stage.logical_id}Service", "Name"]}


def test_each_service_is_held_at_seventy_percent_cpu(
    services: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        policy = services.properties(f"{stage.logical_id}CpuPolicy")
        assert policy["ScalingTargetId"] == {"Ref": f"{stage.logical_id}ScalableTarget"}
        tracking = policy["TargetTrackingScalingPolicyConfiguration"]
        assert tracking["TargetValue"] == 70
        assert (tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"]) == (300, 300)
        assert tracking["PredefinedMetricSpecification"] == {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
        }


def test_only_queued_stages_scale_with_their_queue(services: Rendered, settings: Settings) -> None:
    assert set(services.of_type("AWS::CloudWatch::Alarm")) == {
        f"{stage.logical_id}{kind}Alarm"
        for stage in queued(settings)
        for kind in ("Backlog", "Idle")
    }


def test_the_first_message_starts_the_first_task(services: Rendered, settings: Settings) -> None:
    for stage in queued(settings):
        alarm = services.properties(f"{stage.logical_id}BacklogAlarm")
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (
            "GreaterThanOrEqualToThreshold",
            1,
        )
        assert alarm["AlarmActions"] == [{"Ref": f"{stage.logical_id}BacklogPolicy"}]
        policy = services.properties(f"{stage.logical_id}BacklogPolicy")
        steps = policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
        assert steps[0]["MetricIntervalLowerBound"] == 0
        assert all(step["ScalingAdjustment"] >= 1 for step in steps)
        # Application Auto Scaling refuses steps with a gap, and a last one with an end.
        for one, following in itertools.pairwise(steps):
            assert one["MetricIntervalUpperBound"] == following["MetricIntervalLowerBound"]
        assert "MetricIntervalUpperBound" not in steps[-1]


def test_ten_minutes_without_a_message_lead_back_to_the_least(
    services: Rendered, settings: Settings
) -> None:
    for stage in queued(settings):
        alarm = services.properties(f"{stage.logical_id}IdleAlarm")
        assert alarm["Period"] * alarm["EvaluationPeriods"] == 600
        assert alarm["TreatMissingData"] == "breaching"
        configuration = services.properties(f"{stage.logical_id}IdlePolicy")[
            "StepScalingPolicyConfiguration"
        ]
        assert configuration["AdjustmentType"] == "ExactCapacity"
        (step,) = configuration["StepAdjustments"]
        assert step["ScalingAdjustment"] == stage.scaling.min_tasks
