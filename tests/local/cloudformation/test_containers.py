from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local import registry_client
from tests.local.cloudformation.conftest import Resources, delete, failure

if TYPE_CHECKING:
    from collections.abc import Callable


def fargate(family: str, execution_role: str) -> dict[str, Any]:
    """What every task definition here says."""
    return {
        "Family": family,
        "Cpu": "256",
        "Memory": "512",
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "ExecutionRoleArn": execution_role,
    }


def test_a_repository_with_images_goes_only_when_it_may_be_emptied(
    clients: Any, aws: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    def resources(*, empty: bool) -> Resources:
        properties = {"RepositoryName": unique, "EmptyOnDelete": empty}
        return {"Repository": {"Type": "AWS::ECR::Repository", "Properties": properties}}

    stack(resources(empty=False))
    registry_client.push_image(aws.endpoint, unique, "1", {}, [])
    assert delete(clients, unique) == "DELETE_FAILED"
    stack_resources = resources(empty=True)
    clients.cloudformation.delete_stack(StackName=unique, RetainResources=["Repository"])
    clients.ecr.delete_repository(repositoryName=unique, force=True)
    stack(stack_resources)
    registry_client.push_image(aws.endpoint, unique, "1", {}, [])
    assert delete(clients, unique) == "DELETE_COMPLETE"


def test_containers_are_described_as_declared(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str, image: str, execution_role: str
) -> None:
    made = stack(
        {
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": unique}},
            "Providers": {
                "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
                "Properties": {
                    "Cluster": {"Ref": "Cluster"},
                    "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                    "DefaultCapacityProviderStrategy": [
                        {"CapacityProvider": "FARGATE_SPOT", "Weight": 3}
                    ],
                },
            },
            "Definition": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    **fargate(unique, execution_role),
                    "RuntimePlatform": {
                        "CpuArchitecture": "X86_64",
                        "OperatingSystemFamily": "LINUX",
                    },
                    "Volumes": [{"Name": "scratch"}],
                    "ContainerDefinitions": [
                        {
                            "Name": "stage",
                            "Image": image,
                            "HealthCheck": {"Command": ["CMD", "true"], "Interval": 30},
                            "LinuxParameters": {
                                "InitProcessEnabled": True,
                                "Capabilities": {"Drop": ["ALL"]},
                            },
                            "DockerLabels": {"Kept": "AsIs"},
                        }
                    ],
                },
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "DependsOn": "Providers",
                "Properties": {
                    "ServiceName": unique,
                    "Cluster": {"Fn::GetAtt": ["Cluster", "Arn"]},
                    "TaskDefinition": {"Ref": "Definition"},
                    "DesiredCount": 0,
                    "AvailabilityZoneRebalancing": "ENABLED",
                    "HealthCheckGracePeriodSeconds": 120,
                    "PlatformVersion": "1.4.0",
                    "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}},
                },
            },
            "Target": {
                "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                "DependsOn": "Service",
                "Properties": {
                    "ServiceNamespace": "ecs",
                    "ScalableDimension": "ecs:service:DesiredCount",
                    "ResourceId": f"service/{unique}/{unique}",
                    "MinCapacity": 0,
                    "MaxCapacity": 4,
                },
            },
        }
    )
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)
    definition = clients.ecs.describe_task_definition(taskDefinition=unique)["taskDefinition"]
    assert definition["runtimePlatform"]["cpuArchitecture"] == "X86_64"
    assert definition["volumes"] == [{"name": "scratch"}]
    (container,) = definition["containerDefinitions"]
    assert container["healthCheck"]["command"] == ["CMD", "true"]
    assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert container["dockerLabels"] == {"Kept": "AsIs"}
    (service,) = clients.ecs.describe_services(cluster=unique, services=[unique])["services"]
    assert service["availabilityZoneRebalancing"] == "ENABLED"
    assert service["healthCheckGracePeriodSeconds"] == 120
    assert service["platformVersion"] == "1.4.0"
    (described,) = clients.ecs.describe_clusters(clusters=[unique])["clusters"]
    assert described["defaultCapacityProviderStrategy"][0]["capacityProvider"] == "FARGATE_SPOT"
    (target,) = clients.application_autoscaling.describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[f"service/{unique}/{unique}"]
    )["ScalableTargets"]
    assert target["MaxCapacity"] == 4
    assert delete(clients, unique) == "DELETE_COMPLETE"


def test_a_stack_is_updated_when_its_service_runs_the_new_revision_alone(
    clients: Any,
    stack: Callable[..., dict[str, Any]],
    unique: str,
    image: str,
    execution_role: str,
    network: dict[str, Any],
) -> None:
    def resources(release: str) -> Resources:
        return {
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": unique}},
            "Definition": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    **fargate(unique, execution_role),
                    "ContainerDefinitions": [
                        {
                            "Name": "stage",
                            "Image": image,
                            "Environment": [{"Name": "RELEASE", "Value": release}],
                        }
                    ],
                },
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "ServiceName": unique,
                    "Cluster": {"Ref": "Cluster"},
                    "TaskDefinition": {"Ref": "Definition"},
                    "DesiredCount": 2,
                    "NetworkConfiguration": {
                        "AwsvpcConfiguration": {
                            "Subnets": network["awsvpcConfiguration"]["subnets"]
                        }
                    },
                },
            },
        }

    def revisions() -> list[str]:
        arns = clients.ecs.list_tasks(cluster=unique, serviceName=unique)["taskArns"]
        described = clients.ecs.describe_tasks(cluster=unique, tasks=arns)["tasks"]
        return [task["taskDefinitionArn"].rsplit(":", 1)[1] for task in described]

    for release in ("1", "2"):
        made = stack(resources(release))
        assert made["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
        assert revisions() == [release, release]
    assert delete(clients, unique) == "DELETE_COMPLETE"


def test_a_size_that_fargate_does_not_have_fails_the_stack(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    made = stack(
        {
            "Definition": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": unique,
                    "Cpu": "256",
                    "Memory": "8192",
                    "NetworkMode": "awsvpc",
                    "RequiresCompatibilities": ["FARGATE"],
                    "ContainerDefinitions": [{"Name": "stage", "Image": "x"}],
                },
            }
        }
    )
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "No Fargate configuration exists" in failure(clients, unique)
