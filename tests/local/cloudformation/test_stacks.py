from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import registry_client  # type: ignore[import-not-found]  # conftest.py loads it
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

Resources = dict[str, Any]


@pytest.fixture
def stack(clients: Any, unique: str) -> Callable[..., dict[str, Any]]:
    """Creates or updates the test's stack, waits, and returns it."""

    def apply(resources: Resources, **options: Any) -> dict[str, Any]:
        cloudformation = clients.cloudformation
        body = json.dumps({"Resources": resources})
        existing = [
            one["StackName"]
            for one in cloudformation.describe_stacks()["Stacks"]
            if one["StackName"] == unique
        ]
        call = cloudformation.update_stack if existing else cloudformation.create_stack
        call(StackName=unique, TemplateBody=body, **options)
        return settled(clients, unique)

    return apply


def settled(clients: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        (found,) = clients.cloudformation.describe_stacks(StackName=name)["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            return dict(found)
        time.sleep(0.1)


def failure(clients: Any, name: str) -> str:
    events = clients.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return "\n".join(
        str(event.get("ResourceStatusReason"))
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    )


def delete(clients: Any, name: str) -> str:
    stack_id = clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    clients.cloudformation.delete_stack(StackName=name)
    return str(settled(clients, stack_id)["StackStatus"])


def test_a_buckets_properties_are_what_the_api_then_tells(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    made = stack(
        {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": unique,
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {
                                "BucketKeyEnabled": True,
                                "ServerSideEncryptionByDefault": {
                                    "SSEAlgorithm": "aws:kms",
                                    "KMSMasterKeyID": "arn:aws:kms:eu-west-1:123456789012:key/k",
                                },
                            }
                        ]
                    },
                    "LifecycleConfiguration": {
                        "Rules": [
                            {
                                "Id": "expire",
                                "Status": "Enabled",
                                "ExpirationInDays": 30,
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                            }
                        ]
                    },
                    "LoggingConfiguration": {"LogFilePrefix": "log/"},
                    "Tags": [{"Key": "a", "Value": "b"}],
                },
            }
        }
    )
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)
    (rule,) = clients.s3.get_bucket_encryption(Bucket=unique)["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    (lifecycle,) = clients.s3.get_bucket_lifecycle_configuration(Bucket=unique)["Rules"]
    assert lifecycle["Expiration"] == {"Days": 30}
    assert lifecycle["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    logging = clients.s3.get_bucket_logging(Bucket=unique)["LoggingEnabled"]
    assert (logging["TargetBucket"], logging["TargetPrefix"]) == (unique, "log/")
    tags = clients.s3.get_bucket_tagging(Bucket=unique)["TagSet"]
    assert {"Key": "a", "Value": "b"} in tags


def test_a_bucket_with_versions_cannot_be_deleted(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    properties = {"BucketName": unique, "VersioningConfiguration": {"Status": "Enabled"}}
    stack({"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    clients.s3.put_object(Bucket=unique, Key="a", Body=b"x")
    clients.s3.delete_object(Bucket=unique, Key="a")
    assert delete(clients, unique) == "DELETE_FAILED"
    assert "You must delete all versions" in failure(clients, unique)
    listed = clients.s3.list_object_versions(Bucket=unique)
    for version in [*listed["Versions"], *listed["DeleteMarkers"]]:
        clients.s3.delete_object(Bucket=unique, Key="a", VersionId=version["VersionId"])
    assert delete(clients, unique) == "DELETE_COMPLETE"


def key_policy(unique: str, *, logs: bool) -> dict[str, Any]:
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if logs:
        arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:/tests/{unique}*"
        statements.append(
            {
                "Effect": "Allow",
                "Principal": {"Service": "logs.eu-west-1.amazonaws.com"},
                "Action": [
                    "kms:Encrypt*",
                    "kms:Decrypt*",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:Describe*",
                ],
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.mark.parametrize(
    ("logs", "expected"), [(True, "CREATE_COMPLETE"), (False, "ROLLBACK_COMPLETE")]
)
def test_an_encrypted_log_group_needs_a_key_that_lets_logs_in(
    clients: Any,
    stack: Callable[..., dict[str, Any]],
    unique: str,
    logs: bool,  # noqa: FBT001 - a parameter of the test
    expected: str,
) -> None:
    made = stack(
        {
            "Key": {
                "Type": "AWS::KMS::Key",
                "Properties": {"KeyPolicy": key_policy(unique, logs=logs)},
            },
            "Group": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {
                    "LogGroupName": f"/tests/{unique}",
                    "KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
                },
            },
        }
    )
    assert made["StackStatus"] == expected
    if not logs:
        assert "is not allowed to be used with Arn" in failure(clients, unique)


def role(unique: str) -> Resources:
    trust = {"Version": "2012-10-17", "Statement": []}
    return {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": unique, "AssumeRolePolicyDocument": trust},
        }
    }


def test_named_roles_need_their_capability(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    for capabilities in ([], ["CAPABILITY_IAM"]):
        with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM"):
            stack(role(unique), Capabilities=capabilities)
    made = stack(role(unique), Capabilities=["CAPABILITY_NAMED_IAM"])
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)


def test_describe_stacks_names_the_notifications_that_sceptre_compares(
    stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    made = stack({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": unique}}})
    assert made["NotificationARNs"] == []


def network_resources() -> Resources:
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": "10.9.0.0/24",
                "AvailabilityZone": "eu-west-1b",
            },
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "tasks"},
        },
        "Other": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "endpoints"},
        },
        "Ingress": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Fn::GetAtt": ["Other", "GroupId"]},
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "SourceSecurityGroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
            },
        },
        "FlowLog": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceId": {"Ref": "Vpc"},
                "ResourceType": "VPC",
                "TrafficType": "REJECT",
                "LogGroupName": "flow",
            },
        },
        "Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "VpcEndpointType": "Interface",
                "ServiceName": "com.amazonaws.eu-west-1.sqs",
                "SubnetIds": [{"Ref": "Subnet"}],
                "SecurityGroupIds": [{"Fn::GetAtt": ["Other", "GroupId"]}],
                "PrivateDnsEnabled": True,
            },
        },
    }


def test_a_network_is_described_as_declared_and_goes_in_order(
    clients: Any,
    stack: Callable[..., dict[str, Any]],
    unique: str,
    define: Callable[..., str],
    cluster: str,
    tasks: Any,
) -> None:
    made = stack(network_resources())
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)
    listed = clients.cloudformation.describe_stack_resources(StackName=unique)["StackResources"]
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
    (endpoint,) = clients.ec2.describe_vpc_endpoints(
        Filters=[{"Name": "vpc-id", "Values": [ids["Vpc"]]}]
    )["VpcEndpoints"]
    assert endpoint["PrivateDnsEnabled"] is True
    assert [group["GroupId"] for group in endpoint["Groups"]] == [ids["Other"]]
    (other,) = clients.ec2.describe_security_groups(GroupIds=[ids["Other"]])["SecurityGroups"]
    (permission,) = other["IpPermissions"]
    assert permission["UserIdGroupPairs"][0]["GroupId"] == ids["Group"]
    (flow_log,) = clients.ec2.describe_flow_logs(FlowLogIds=[ids["FlowLog"]])["FlowLogs"]
    assert flow_log["TrafficType"] == "REJECT"
    # A task holds an address in the subnet, and nothing below it can go.
    (task,) = clients.ecs.run_task(
        cluster=cluster,
        taskDefinition=define(),
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": [ids["Subnet"]], "securityGroups": [ids["Group"]]}
        },
    )["tasks"]
    assert task["availabilityZone"] == "eu-west-1b"
    assert delete(clients, unique) == "DELETE_FAILED"
    assert "DependencyViolation" in failure(clients, unique)
    clients.ecs.stop_task(cluster=cluster, task=task["taskArn"])
    tasks.wait(task["taskArn"])
    assert delete(clients, unique) == "DELETE_COMPLETE"


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
                    "Family": unique,
                    "Cpu": "256",
                    "Memory": "512",
                    "NetworkMode": "awsvpc",
                    "RequiresCompatibilities": ["FARGATE"],
                    "ExecutionRoleArn": execution_role,
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
