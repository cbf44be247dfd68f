from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import Output, StackPath

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def vpc(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.VPC)


def test_names_are_resolved_inside_the_vpc(vpc: Rendered) -> None:
    properties = vpc.properties("Vpc")
    assert properties["EnableDnsSupport"] is True
    assert properties["EnableDnsHostnames"] is True


def test_three_private_subnets_take_one_zone_each(vpc: Rendered) -> None:
    subnets = vpc.of_type("AWS::EC2::Subnet").values()
    zones = [subnet["AvailabilityZone"]["Fn::Select"][0] for subnet in subnets]
    assert zones == [0, 1, 2]
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_subnets_lie_in_the_vpc_and_do_not_overlap(vpc: Rendered) -> None:
    whole = IPv4Network(vpc.properties("Vpc")["CidrBlock"])
    parts = [
        IPv4Network(subnet["CidrBlock"]) for subnet in vpc.of_type("AWS::EC2::Subnet").values()
    ]
    assert all(part.subnet_of(whole) for part in parts)
    assert not any(one.overlaps(other) for one in parts for other in parts if one is not other)


def test_two_subnets_have_room_for_a_rolling_update_at_the_peak(
    vpc: Rendered, settings: Settings
) -> None:
    peak = 2 * sum(stage.scaling.max_tasks for stage in settings.stages)
    for subnet in vpc.of_type("AWS::EC2::Subnet").values():
        free = IPv4Network(subnet["CidrBlock"]).num_addresses - 5
        assert 2 * (free - len(settings.network.endpoints)) >= peak


def test_each_subnet_has_a_route_table_of_its_own(vpc: Rendered) -> None:
    associations = vpc.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
    assert len({one["SubnetId"]["Ref"] for one in associations}) == 3
    assert len({one["RouteTableId"]["Ref"] for one in associations}) == 3


def test_nothing_leads_out_of_the_vpc(vpc: Rendered) -> None:
    types = {resource["Type"] for resource in vpc.template["Resources"].values()}
    assert not types & {
        "AWS::EC2::InternetGateway",
        "AWS::EC2::NatGateway",
        "AWS::EC2::EgressOnlyInternetGateway",
        "AWS::EC2::Route",
    }


def test_nothing_comes_into_a_task(vpc: Rendered) -> None:
    group = vpc.properties("TaskSecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert [rule["ToPort"] for rule in group["SecurityGroupEgress"]] == [443]


def test_endpoints_take_https_from_tasks_only(vpc: Rendered) -> None:
    group = vpc.properties("EndpointSecurityGroup")
    (rule,) = group["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert rule["SourceSecurityGroupId"] == {"Ref": "TaskSecurityGroup"}
    assert [rule["CidrIp"] for rule in group["SecurityGroupEgress"]] == ["127.0.0.1/32"]


def test_groups_are_described_in_characters_that_ec2_takes(vpc: Rendered) -> None:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
    allowed = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]{1,255}")
    groups = vpc.of_type("AWS::EC2::SecurityGroup").values()
    described = [group["GroupDescription"] for group in groups] + [
        rule["Description"]
        for group in groups
        for direction in ("SecurityGroupIngress", "SecurityGroupEgress")
        for rule in group.get(direction, [])
    ]
    assert len(described) == 5
    assert [text for text in described if not allowed.fullmatch(text)] == []


def test_default_group_is_handed_to_the_hook_that_closes_it(vpc: Rendered) -> None:
    assert vpc.outputs[Output.DEFAULT_SECURITY_GROUP_ID]["Value"] == {
        "Fn::GetAtt": ["Vpc", "DefaultSecurityGroup"]
    }


def test_all_traffic_is_logged_to_an_encrypted_group(vpc: Rendered, settings: Settings) -> None:
    log = vpc.properties("FlowLog")
    assert (log["ResourceType"], log["ResourceId"]) == ("VPC", {"Ref": "Vpc"})
    assert log["TrafficType"] == "ALL"
    group = vpc.properties(log["LogGroupName"]["Ref"])
    assert group["KmsKeyId"] == {"Ref": Output.KEY_ARN}
    assert group["RetentionInDays"] == settings.network.flow_log_retention_days


def test_flow_logs_role_is_for_this_accounts_flow_logs_only(vpc: Rendered) -> None:
    (statement,) = vpc.properties("FlowLogRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert set(statement["Condition"]) == {"StringEquals", "ArnLike"}


def test_lists_are_one_output_each(vpc: Rendered) -> None:
    for name in (Output.PRIVATE_SUBNET_IDS, Output.PRIVATE_ROUTE_TABLE_IDS):
        separator, parts = vpc.outputs[name]["Value"]["Fn::Join"]
        assert (separator, len(parts)) == (",", 3)
