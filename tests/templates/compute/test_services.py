from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import Output, StackPath, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage
    from tests.templates.conftest import Render, RenderChanged, Rendered


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
            item["CapacityProvider"]: (item.get("Base", 0), item["Weight"])
            for item in one["CapacityProviderStrategy"]
        }
        capacity = settings.capacity
        assert strategy == {
            "FARGATE": (capacity.fargate_base, capacity.fargate_weight),
            "FARGATE_SPOT": (0, capacity.fargate_spot_weight),
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


def policies(services: Rendered, stage: Stage) -> set[str]:
    return {
        logical_id.removeprefix(stage.logical_id)
        for logical_id in services.of_type("AWS::ApplicationAutoScaling::ScalingPolicy")
        if logical_id.startswith(stage.logical_id)
    }


def test_every_service_leaves_zero_by_its_queue_and_returns(
    services: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        assert {"CpuPolicy", "BacklogPolicy", "IdlePolicy"} <= policies(services, stage)


def test_backlog_per_task_is_held_in_queue_mode_only(
    services: Rendered, settings: Settings
) -> None:
    holding = [
        stage for stage in settings.stages if "BacklogPerTaskPolicy" in policies(services, stage)
    ]
    assert holding == queued(settings)


def test_backlog_is_divided_by_the_tasks_that_container_insights_counts(
    services: Rendered, settings: Settings
) -> None:
    for stage in queued(settings):
        tracking = services.properties(f"{stage.logical_id}BacklogPerTaskPolicy")[
            "TargetTrackingScalingPolicyConfiguration"
        ]
        assert tracking["TargetValue"] == stage.scaling.backlog_per_task
        waiting, running, backlog = tracking["CustomizedMetricSpecification"]["Metrics"]
        assert backlog["Expression"] == f"{waiting['Id']} / {running['Id']}"
        assert [one["ReturnData"] for one in (waiting, running, backlog)] == [False, False, True]
        assert waiting["MetricStat"]["Metric"] == {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Dimensions": [
                {"Name": "QueueName", "Value": {"Ref": StageOutput.QUEUE_NAME.of(stage.name)}}
            ],
        }
        assert running["MetricStat"]["Metric"] == {
            "Namespace": "ECS/ContainerInsights",
            "MetricName": "RunningTaskCount",
            "Dimensions": [
                {"Name": "ClusterName", "Value": {"Ref": Output.CLUSTER_NAME}},
                {
                    "Name": "ServiceName",
                    "Value": {"Fn::GetAtt": [f"{stage.logical_id}Service", "Name"]},
                },
            ],
        }


def test_without_container_insights_only_the_steps_follow_a_queue(
    render_changed: RenderChanged, settings: Settings, environment: str
) -> None:
    services = render_changed(
        environment, StackPath.SERVICES, lambda data: data.update(container_insights="disabled")
    )
    for stage in settings.stages:
        assert policies(services, stage) == {"CpuPolicy", "BacklogPolicy", "IdlePolicy"}


def test_the_first_message_starts_the_first_task(services: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        alarm = services.properties(f"{stage.logical_id}BacklogAlarm")
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
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


def test_ten_minutes_without_a_message_waiting_or_in_hand_are_idle(
    services: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        alarm = services.properties(f"{stage.logical_id}IdleAlarm")
        *queried, unfinished = alarm["Metrics"]
        assert unfinished["Expression"] == " + ".join(f"FILL({one['Id']}, 0)" for one in queried)
        assert [one["MetricStat"]["Metric"]["MetricName"] for one in queried] == [
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        (period,) = {one["MetricStat"]["Period"] for one in queried}
        assert period * alarm["EvaluationPeriods"] == 600
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (
            "LessThanOrEqualToThreshold",
            0,
        )
        assert alarm["TreatMissingData"] == "breaching"
        # CloudFormation takes either one metric or several.
        assert not {"MetricName", "Namespace", "Period", "Statistic", "Dimensions"} & set(alarm)


def test_idle_services_go_back_to_their_least(services: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        alarm = services.properties(f"{stage.logical_id}IdleAlarm")
        assert alarm["AlarmActions"] == [{"Ref": f"{stage.logical_id}IdlePolicy"}]
        configuration = services.properties(f"{stage.logical_id}IdlePolicy")[
            "StepScalingPolicyConfiguration"
        ]
        assert configuration["AdjustmentType"] == "ExactCapacity"
        (step,) = configuration["StepAdjustments"]
        assert step["ScalingAdjustment"] == stage.scaling.min_tasks
        assert step["MetricIntervalUpperBound"] == 0


@pytest.mark.parametrize("dispatch", list(Dispatch))
def test_switching_dispatch_adds_or_removes_one_policy_and_nothing_else(
    render_changed: RenderChanged, services: Rendered, dispatch: Dispatch
) -> None:
    def switch(data: dict[str, Any]) -> None:
        data["stage_settings"]["risk-calculation"]["dispatch"] = dispatch.value

    switched = render_changed(services.environment, StackPath.SERVICES, switch).template
    own = "RiskCalculationBacklogPerTaskPolicy"
    assert (own in switched["Resources"]) is (dispatch is Dispatch.QUEUE)
    before, after = (
        {name: one for name, one in template["Resources"].items() if name != own}
        for template in (services.template, switched)
    )
    assert before == after
    assert services.outputs == switched["Outputs"]
