from __future__ import annotations

from typing import TYPE_CHECKING

from fargate_batch.names import Output

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


def test_vpc_resolves_names(launched: Environment) -> None:
    ec2 = launched.client("ec2")
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = ec2.describe_vpc_attribute(VpcId=launched[Output.VPC_ID], Attribute=attribute)
        assert answer[attribute[0].upper() + attribute[1:]]["Value"] is True


def test_three_private_subnets_lie_in_three_zones(launched: Environment) -> None:
    ids = launched[Output.PRIVATE_SUBNET_IDS].split(",")
    subnets = launched.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_nothing_leads_to_the_internet(launched: Environment) -> None:
    ec2 = launched.client("ec2")
    here = [{"Name": "vpc-id", "Values": [launched[Output.VPC_ID]]}]
    gateways = ec2.describe_internet_gateways(
        Filters=[{"Name": "attachment.vpc-id", "Values": [launched[Output.VPC_ID]]}]
    )
    assert gateways["InternetGateways"] == []
    assert ec2.describe_nat_gateways(Filters=here)["NatGateways"] == []


def test_tasks_reach_every_service_that_they_need(launched: Environment) -> None:
    endpoints = launched.client("ec2").describe_vpc_endpoints(
        Filters=[{"Name": "vpc-id", "Values": [launched[Output.VPC_ID]]}]
    )["VpcEndpoints"]
    services = {endpoint["ServiceName"].split(".", 3)[3] for endpoint in endpoints}
    assert services >= {"ecr.api", "ecr.dkr", "ecs", "logs", "sqs", "s3", "dynamodb"}


def test_endpoints_take_https_from_the_tasks_only(launched: Environment) -> None:
    group = launched.client("ec2").describe_security_groups(
        GroupIds=[launched[Output.ENDPOINT_SECURITY_GROUP_ID]]
    )["SecurityGroups"][0]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    sources = [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]
    assert sources == [launched[Output.TASK_SECURITY_GROUP_ID]]
    assert not rule.get("IpRanges")
