from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import Output, StageOutput

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


@pytest.fixture(scope="session")
def definitions(launched: Environment) -> dict[str, dict[str, Any]]:
    ecs = launched.client("ecs")
    return {
        stage.name: ecs.describe_task_definition(
            taskDefinition=launched.of(stage.name, StageOutput.TASK_DEFINITION_ARN)
        )["taskDefinition"]
        for stage in launched.settings.stages
    }


def test_cluster_offers_fargate_and_spot(launched: Environment) -> None:
    (cluster,) = launched.client("ecs").describe_clusters(
        clusters=[launched[Output.CLUSTER_NAME]], include=["SETTINGS"]
    )["clusters"]
    assert set(cluster["capacityProviders"]) == {"FARGATE", "FARGATE_SPOT"}
    assert cluster["defaultCapacityProviderStrategy"]


def test_each_log_group_is_encrypted_and_ages(launched: Environment) -> None:
    logs = launched.client("logs")
    for stage in launched.settings.stages:
        name = launched.of(stage.name, StageOutput.LOG_GROUP_NAME)
        groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        # Another environment's name may begin with this one's.
        (group,) = [group for group in groups if group["logGroupName"] == name]
        assert group["retentionInDays"] == launched.settings.log_retention_days
        assert group["kmsKeyId"] == launched[Output.KEY_ARN]


def test_task_definition_has_the_catalogues_size(
    launched: Environment, definitions: dict[str, dict[str, Any]]
) -> None:
    for stage in launched.settings.stages:
        definition = definitions[stage.name]
        assert definition["requiresCompatibilities"] == ["FARGATE"]
        assert definition["networkMode"] == "awsvpc"
        assert (definition["cpu"], definition["memory"]) == (str(stage.cpu), str(stage.memory))
        assert definition["runtimePlatform"]["cpuArchitecture"] == "X86_64"


def test_container_is_confined(definitions: dict[str, dict[str, Any]]) -> None:
    for definition in definitions.values():
        (container,) = definition["containerDefinitions"]
        assert container["user"] not in {"", "0", "root"}
        assert container["readonlyRootFilesystem"] is True
        assert container["linuxParameters"]["initProcessEnabled"] is True
        assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert container["stopTimeout"] == 120
        assert container["healthCheck"]["command"]
        assert "/tmp" in [mount["containerPath"] for mount in container["mountPoints"]]  # noqa: S108  # a mount


def test_container_runs_an_image_named_by_its_digest(
    launched: Environment, definitions: dict[str, dict[str, Any]]
) -> None:
    for stage, definition in definitions.items():
        uri = launched.of(stage, StageOutput.REPOSITORY_URI)
        assert definition["containerDefinitions"][0]["image"].startswith(f"{uri}@sha256:")


def test_service_waits_at_zero_in_private_subnets(launched: Environment) -> None:
    for stage in launched.settings.stages:
        (service,) = launched.client("ecs").describe_services(
            cluster=launched[Output.CLUSTER_NAME],
            services=[launched.of(stage.name, StageOutput.SERVICE_NAME)],
        )["services"]
        assert service["desiredCount"] == 0
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        assert network["assignPublicIp"] == "DISABLED"
        assert sorted(network["subnets"]) == sorted(launched[Output.PRIVATE_SUBNET_IDS].split(","))
        breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]
        assert (breaker["enable"], breaker["rollback"]) == (True, True)
        assert service["healthCheckGracePeriodSeconds"] == 120
        assert service["availabilityZoneRebalancing"] == "ENABLED"


def test_service_scales_on_cpu_between_its_limits(launched: Environment) -> None:
    scaling = launched.client("application-autoscaling")
    for stage in launched.settings.stages:
        resource = (
            f"service/{launched[Output.CLUSTER_NAME]}/"
            f"{launched.of(stage.name, StageOutput.SERVICE_NAME)}"
        )
        (target,) = scaling.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[resource]
        )["ScalableTargets"]
        limits = (stage.scaling.min_tasks, stage.scaling.max_tasks)
        assert (target["MinCapacity"], target["MaxCapacity"]) == limits
        policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)
        (cpu,) = [
            policy["TargetTrackingScalingPolicyConfiguration"]
            for policy in policies["ScalingPolicies"]
            if policy["PolicyType"] == "TargetTrackingScaling"
            and "PredefinedMetricSpecification"
            in policy["TargetTrackingScalingPolicyConfiguration"]
        ]
        assert cpu["TargetValue"] == stage.scaling.cpu_target_percent == 70
        assert (cpu["ScaleInCooldown"], cpu["ScaleOutCooldown"]) == (300, 300)
