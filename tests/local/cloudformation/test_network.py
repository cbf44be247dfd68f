from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.cloudformation.conftest import Resources, delete, failure

if TYPE_CHECKING:
    from collections.abc import Callable


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
