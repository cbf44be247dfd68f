from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import RECONCILE, GivenNames, Output, StageOutput
from fargate_batch.settings import Dispatch

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


@dataclass(frozen=True)
class Scaling:
    """How a stage's service scales."""

    target: dict[str, Any]
    policies: list[dict[str, Any]]

    def tracking(self, metric: str) -> list[dict[str, Any]]:
        """The configurations of the policies that hold a metric given in that way."""
        configurations = [
            policy["TargetTrackingScalingPolicyConfiguration"]
            for policy in self.policies
            if policy["PolicyType"] == "TargetTrackingScaling"
        ]
        return [one for one in configurations if metric in one]


def all_tasks(launched: Environment) -> list[str]:
    return [*(stage.name for stage in launched.settings.stages), RECONCILE]


@pytest.fixture(scope="session")
def definitions(launched: Environment) -> dict[str, dict[str, Any]]:
    ecs = launched.client("ecs")
    return {
        task: ecs.describe_task_definition(
            taskDefinition=launched.of(task, StageOutput.TASK_DEFINITION_ARN)
        )["taskDefinition"]
        for task in all_tasks(launched)
    }


def test_cluster_offers_fargate_and_spot(launched: Environment) -> None:
    (cluster,) = launched.client("ecs").describe_clusters(
        clusters=[launched[Output.CLUSTER_NAME]], include=["SETTINGS"]
    )["clusters"]
    assert set(cluster["capacityProviders"]) == {"FARGATE", "FARGATE_SPOT"}
    assert cluster["defaultCapacityProviderStrategy"]


def test_each_log_group_is_encrypted_and_ages(launched: Environment) -> None:
    logs = launched.client("logs")
    for task in all_tasks(launched):
        name = launched.of(task, StageOutput.LOG_GROUP_NAME)
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
        assert "/tmp" in [mount["containerPath"] for mount in container["mountPoints"]]  # noqa: S108  # a mount


def test_stages_container_is_watched(
    launched: Environment, definitions: dict[str, dict[str, Any]]
) -> None:
    for stage in launched.settings.stages:
        (container,) = definitions[stage.name]["containerDefinitions"]
        assert container["healthCheck"]["command"]


def test_container_runs_an_image_named_by_its_digest(
    launched: Environment, definitions: dict[str, dict[str, Any]]
) -> None:
    stages = [stage.name for stage in launched.settings.stages]
    for task, image in {**dict(zip(stages, stages, strict=True)), RECONCILE: stages[0]}.items():
        uri = launched.of(image, StageOutput.REPOSITORY_URI)
        (container,) = definitions[task]["containerDefinitions"]
        assert container["image"].startswith(f"{uri}@sha256:")


def test_reconcile_knows_every_stages_queue(
    launched: Environment, definitions: dict[str, dict[str, Any]]
) -> None:
    (container,) = definitions[RECONCILE]["containerDefinitions"]
    assert container["command"] == ["reconcile"]
    variables = {one["name"]: one["value"] for one in container["environment"]}
    assert {route["name"]: route["queue_url"] for route in json.loads(variables["STAGES"])} == {
        stage.name: launched.of(stage.name, StageOutput.QUEUE_URL)
        for stage in launched.settings.stages
    }


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


@pytest.fixture(scope="session")
def scaling(launched: Environment) -> dict[str, Scaling]:
    client = launched.client("application-autoscaling")
    found = {}
    for stage in launched.settings.stages:
        service = launched.of(stage.name, StageOutput.SERVICE_NAME)
        resource = f"service/{launched[Output.CLUSTER_NAME]}/{service}"
        (target,) = client.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[resource]
        )["ScalableTargets"]
        policies = client.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)
        found[stage.name] = Scaling(target, policies["ScalingPolicies"])
    return found


def test_service_scales_between_its_limits(
    launched: Environment, scaling: dict[str, Scaling]
) -> None:
    for stage in launched.settings.stages:
        target = scaling[stage.name].target
        limits = (stage.scaling.min_tasks, stage.scaling.max_tasks)
        assert (target["MinCapacity"], target["MaxCapacity"]) == limits


def test_service_holds_its_cpu(launched: Environment, scaling: dict[str, Scaling]) -> None:
    for stage in launched.settings.stages:
        (cpu,) = scaling[stage.name].tracking("PredefinedMetricSpecification")
        assert cpu["TargetValue"] == stage.scaling.cpu_target_percent == 70
        assert (cpu["ScaleInCooldown"], cpu["ScaleOutCooldown"]) == (300, 300)


def test_queued_service_holds_its_backlog_per_task(
    launched: Environment, scaling: dict[str, Scaling]
) -> None:
    counted = launched.settings.container_insights != "disabled"
    for stage in launched.settings.stages:
        found = scaling[stage.name].tracking("CustomizedMetricSpecification")
        queued = counted and stage.dispatch is Dispatch.QUEUE
        assert [policy["TargetValue"] for policy in found] == (
            [stage.scaling.backlog_per_task] if queued else []
        )


@pytest.mark.parametrize("kind", ["backlog", "idle"])
def test_every_service_leaves_zero_by_its_queue_and_returns(
    launched: Environment, scaling: dict[str, Scaling], kind: str
) -> None:
    names = GivenNames(launched.settings.project, launched.name)
    cloudwatch = launched.client("cloudwatch")
    for stage in launched.settings.stages:
        name = names.of(f"{stage.name}-{kind}")
        (policy,) = [one for one in scaling[stage.name].policies if one["PolicyName"] == name]
        assert policy["PolicyType"] == "StepScaling"
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert alarm["AlarmActions"] == [policy["PolicyARN"]]
