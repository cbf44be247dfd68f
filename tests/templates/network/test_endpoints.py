from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import Output, StackPath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def endpoints(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.ENDPOINTS)


def by_service(endpoints: Rendered, kind: str) -> dict[str, dict[str, Any]]:
    return {
        endpoint["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}."): endpoint
        for endpoint in endpoints.of_type("AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == kind
    }


def actions_of(documents: Iterable[dict[str, Any]]) -> set[str]:
    return {
        action
        for document in documents
        for statement in document["Statement"]
        for action in statement["Action"]
    }


def test_tables_and_objects_are_reached_through_gateways(endpoints: Rendered) -> None:
    gateways = by_service(endpoints, "Gateway")
    assert set(gateways) == {"s3", "dynamodb"}
    for gateway in gateways.values():
        assert gateway["RouteTableIds"] == {"Ref": Output.PRIVATE_ROUTE_TABLE_IDS}


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sqs", "logs", "ecr.api"])
def test_what_the_tasks_roles_allow_passes_on_its_way(
    endpoints: Rendered, render: Render, environment: str, service: str
) -> None:
    both = by_service(endpoints, "Gateway") | by_service(endpoints, "Interface")
    passing = actions_of([both[service]["PolicyDocument"]])
    allowed = actions_of(
        policy["PolicyDocument"]
        for role in render(environment, StackPath.TASKS).of_type("AWS::IAM::Role").values()
        for policy in role["Policies"]
    )
    prefix = service.split(".", maxsplit=1)[0] + ":"
    needed = {action for action in allowed if action.startswith(prefix)}
    assert needed
    assert needed - passing == set()


def test_what_a_task_cannot_start_without_is_there(endpoints: Rendered) -> None:
    assert set(by_service(endpoints, "Interface")) >= {"ecr.api", "ecr.dkr", "ecs", "logs", "sqs"}


def test_interfaces_are_those_of_the_settings_in_as_many_zones(
    endpoints: Rendered, settings: Settings
) -> None:
    interfaces = by_service(endpoints, "Interface")
    assert set(interfaces) == {str(service) for service in settings.network.endpoints}
    for interface in interfaces.values():
        zones = [subnet["Fn::Select"][0] for subnet in interface["SubnetIds"]]
        assert zones == list(range(settings.network.endpoint_zones))


def test_interfaces_answer_under_the_services_own_names(endpoints: Rendered) -> None:
    for interface in by_service(endpoints, "Interface").values():
        assert interface["PrivateDnsEnabled"] is True
        assert interface["SecurityGroupIds"] == [{"Ref": Output.ENDPOINT_SECURITY_GROUP_ID}]


def test_fargate_can_fetch_layers_through_the_gateway(endpoints: Rendered) -> None:
    statements = by_service(endpoints, "Gateway")["s3"]["PolicyDocument"]["Statement"]
    resources = [resource["Fn::Sub"] for one in statements for resource in one["Resource"]]
    assert "arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*" in resources


@pytest.mark.parametrize("service", ["ecr.api", "logs", "sqs"])
def test_only_this_accounts_principals_pass(endpoints: Rendered, service: str) -> None:
    policy = by_service(endpoints, "Interface")[service]["PolicyDocument"]
    for statement in policy["Statement"]:
        assert statement["Condition"]["StringEquals"]["aws:PrincipalAccount"]
