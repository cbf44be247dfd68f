"""The only ways out of the network: endpoints for the AWS services that tasks call."""

from __future__ import annotations

from troposphere import Select, Sub, Template, ec2

from fargate_batch.names import GivenNames, Output, logical_id
from fargate_batch.settings import Endpoint, Settings
from fargate_batch.template import policy, reconcile, stage_access
from fargate_batch.template.parts import STRINGS, arn, name_tag, new_template, rendered, wired

# Whatever a role of the tasks allows must pass on its way as well.
OBJECT_ACTIONS = [
    *stage_access.READ_ACTIONS,
    *stage_access.LIST_ACTIONS,
    *stage_access.WRITE_ACTIONS,
    *stage_access.LIST_UPLOADS_ACTIONS,
    *reconcile.LIST_ACTIONS,
]
LEDGER_ACTIONS = [*dict.fromkeys(stage_access.LEDGER_ACTIONS + reconcile.LEDGER_ACTIONS)]
QUEUE_ACTIONS = [*stage_access.QUEUE_ACTIONS, *reconcile.QUEUE_ACTIONS]

OWN_ACCOUNT: policy.Condition = {
    "StringEquals": {"aws:PrincipalAccount": Sub("${AWS::AccountId}")},
}


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """Gateways for S3 and DynamoDB, and an interface for each service that the settings name."""
    names = GivenNames(environment.project)
    template = new_template("Endpoints through which the tasks reach AWS's services")
    vpc = wired(template, Output.VPC_ID)
    tables = wired(template, Output.PRIVATE_ROUTE_TABLE_IDS, kind=STRINGS)
    for title, service, statements in (
        ("S3", "s3", _s3_policy(names)),
        ("DynamoDb", "dynamodb", _dynamodb_policy(names)),
    ):
        template.add_resource(
            ec2.VPCEndpoint(
                f"{title}Endpoint",
                VpcEndpointType="Gateway",
                ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
                VpcId=vpc,
                RouteTableIds=tables,
                PolicyDocument=policy.document(*statements),
                Tags=name_tag(names.of(service)),
            )
        )
    subnets = wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS)
    group = wired(template, Output.ENDPOINT_SECURITY_GROUP_ID)
    for service in environment.network.endpoints:
        name = service.replace(".", "-")
        statements = _interface_policy(service, names)
        restricted = {"PolicyDocument": policy.document(*statements)} if statements else {}
        template.add_resource(
            ec2.VPCEndpoint(
                f"{logical_id(name)}Endpoint",
                VpcEndpointType="Interface",
                ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
                VpcId=vpc,
                PrivateDnsEnabled=True,
                SubnetIds=[
                    Select(zone, subnets) for zone in range(environment.network.endpoint_zones)
                ],
                SecurityGroupIds=[group],
                Tags=name_tag(names.of(name)),
                **restricted,
            )
        )
    return template


def _own(actions: list[str], *resources: str) -> policy.Statement:
    """Let this account's own principals through to these resources."""
    return policy.allow(
        actions,
        [Sub(resource) for resource in resources],
        principal="*",
        condition=OWN_ACCOUNT,
    )


def _s3_policy(names: GivenNames) -> list[policy.Statement]:
    bucket = "arn:${AWS::Partition}:s3:::" + names.bucket("*")
    return [
        _own(OBJECT_ACTIONS, bucket, f"{bucket}/*"),
        # ECR keeps the images' layers in a bucket of its own, and Fargate fetches them from there.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
        policy.allow(
            ["s3:GetObject"],
            [Sub("arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*")],
            principal="*",
        ),
    ]


def _dynamodb_policy(names: GivenNames) -> list[policy.Statement]:
    return [_own(LEDGER_ACTIONS, arn("dynamodb", f"table/{names.table()}"))]


def _interface_policy(service: Endpoint, names: GivenNames) -> list[policy.Statement]:
    """What may pass an interface endpoint; empty where the service takes no such policy."""
    if service in {Endpoint.ECR_API, Endpoint.ECR_DOCKER}:
        return [
            # The token is asked for once and belongs to the account, so it has no resource.
            policy.allow(
                ["ecr:GetAuthorizationToken"], ["*"], principal="*", condition=OWN_ACCOUNT
            ),
            _own(stage_access.PULL_ACTIONS, arn("ecr", f"repository/{names.repository('*')}")),
        ]
    if service is Endpoint.LOGS:
        groups = arn("logs", f"log-group:{names.log_group('*')}:*")
        return [_own(stage_access.WRITE_LOG_ACTIONS, groups)]
    if service is Endpoint.SQS:
        return [_own(QUEUE_ACTIONS, arn("sqs", names.of("*")))]
    return []
