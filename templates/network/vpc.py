"""The network that the tasks run in: private, without a way to the internet, three zones wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, GetAZs, Join, Ref, Select, Sub, Template, ec2, iam, logs

from fargate_batch.names import FLOW_LOGS, GivenNames, Output
from fargate_batch.template import policy
from fargate_batch.template.parts import arn, give, name_tag, new_template, rendered, wired

if TYPE_CHECKING:
    from fargate_batch.settings import Network, Settings

ZONE_NAMES = ("a", "b", "c")


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The VPC, its subnets, route tables and security groups, and its flow logs."""
    names = GivenNames(environment.project)
    template = new_template("Private subnets in three zones, their security groups and flow logs")
    vpc = template.add_resource(
        ec2.VPC(
            "Vpc",
            CidrBlock=str(environment.network.cidr),
            EnableDnsSupport=True,
            EnableDnsHostnames=True,
            Tags=name_tag(names.of("vpc")),
        )
    )
    _add_subnets(template, environment.network, names)
    _add_security_groups(template, names)
    _add_flow_logs(template, environment.network, names)
    give(template, Output.VPC_ID, Ref(vpc))
    # CloudFormation cannot take the rules out of a default group; the stack's hook does.
    give(template, Output.DEFAULT_SECURITY_GROUP_ID, GetAtt(vpc, "DefaultSecurityGroup"))
    return template


def _add_subnets(template: Template, network: Network, names: GivenNames) -> None:
    subnets, tables = [], []
    for index, (zone, cidr) in enumerate(zip(ZONE_NAMES, network.subnets, strict=True)):
        title = zone.upper()
        subnet = template.add_resource(
            ec2.Subnet(
                f"PrivateSubnet{title}",
                VpcId=Ref("Vpc"),
                CidrBlock=str(cidr),
                AvailabilityZone=Select(index, GetAZs("")),
                MapPublicIpOnLaunch=False,
                Tags=name_tag(names.of(f"private-{zone}")),
            )
        )
        table = template.add_resource(
            ec2.RouteTable(
                f"PrivateRouteTable{title}",
                VpcId=Ref("Vpc"),
                Tags=name_tag(names.of(f"private-{zone}")),
            )
        )
        template.add_resource(
            ec2.SubnetRouteTableAssociation(
                f"PrivateRouteTableAssociation{title}",
                SubnetId=Ref(subnet),
                RouteTableId=Ref(table),
            )
        )
        subnets.append(Ref(subnet))
        tables.append(Ref(table))
    give(template, Output.PRIVATE_SUBNET_IDS, Join(",", subnets))
    give(template, Output.PRIVATE_ROUTE_TABLE_IDS, Join(",", tables))


def _add_security_groups(template: Template, names: GivenNames) -> None:
    tasks = template.add_resource(
        ec2.SecurityGroup(
            "TaskSecurityGroup",
            GroupName=Sub(names.of("tasks")),
            GroupDescription="Batch tasks: nothing comes in, HTTPS goes out",
            VpcId=Ref("Vpc"),
            # HTTPS to anywhere, because the gateway endpoints' addresses are S3's and DynamoDB's
            # public ones; the route tables lead nowhere else.
            SecurityGroupEgress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "CidrIp": "0.0.0.0/0",
                    "Description": "HTTPS to the endpoints",
                }
            ],
            Tags=name_tag(names.of("tasks")),
        )
    )
    endpoints = template.add_resource(
        ec2.SecurityGroup(
            "EndpointSecurityGroup",
            GroupName=Sub(names.of("endpoints")),
            GroupDescription="Interface endpoints: HTTPS from the batch tasks only",
            VpcId=Ref("Vpc"),
            SecurityGroupIngress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "SourceSecurityGroupId": Ref(tasks),
                    "Description": "HTTPS from the batch tasks",
                }
            ],
            # Without a rule of its own a group gets one that allows everything out.
            SecurityGroupEgress=[
                {
                    "IpProtocol": "-1",
                    "CidrIp": "127.0.0.1/32",
                    "Description": "Nothing goes out",
                }
            ],
            Tags=name_tag(names.of("endpoints")),
        )
    )
    give(template, Output.TASK_SECURITY_GROUP_ID, Ref(tasks))
    give(template, Output.ENDPOINT_SECURITY_GROUP_ID, Ref(endpoints))


def _add_flow_logs(template: Template, network: Network, names: GivenNames) -> None:
    group = template.add_resource(
        logs.LogGroup(
            "FlowLogGroup",
            LogGroupName=Sub(names.log_group(FLOW_LOGS)),
            RetentionInDays=network.flow_log_retention_days,
            KmsKeyId=wired(template, Output.KEY_ARN),
        )
    )
    role = template.add_resource(
        iam.Role(
            "FlowLogRole",
            RoleName=Sub(names.role(FLOW_LOGS)),
            AssumeRolePolicyDocument=policy.trust(
                "vpc-flow-logs.amazonaws.com",
                source_arn=arn("ec2", "vpc-flow-log/*"),
            ),
            Policies=[
                iam.Policy(
                    PolicyName="write-flow-logs",
                    PolicyDocument=policy.document(
                        policy.allow(
                            [
                                "logs:CreateLogStream",
                                "logs:DescribeLogStreams",
                                "logs:PutLogEvents",
                            ],
                            [GetAtt(group, "Arn")],
                        ),
                        policy.allow(
                            ["logs:DescribeLogGroups"],
                            [Sub(arn("logs", "log-group:*"))],
                        ),
                    ),
                )
            ],
        )
    )
    template.add_resource(
        ec2.FlowLog(
            "FlowLog",
            ResourceType="VPC",
            ResourceId=Ref("Vpc"),
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=Ref(group),
            DeliverLogsPermissionArn=GetAtt(role, "Arn"),
            Tags=name_tag(names.of(FLOW_LOGS)),
        )
    )
