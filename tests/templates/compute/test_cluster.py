from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import Output, StackPath

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def cluster(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.CLUSTER)


def test_cluster_offers_both_fargate_providers(cluster: Rendered) -> None:
    assert cluster.properties("Cluster")["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]


def test_default_strategy_is_the_environments(cluster: Rendered, settings: Settings) -> None:
    strategy = {
        item["CapacityProvider"]: (item.get("Base", 0), item["Weight"])
        for item in cluster.properties("Cluster")["DefaultCapacityProviderStrategy"]
    }
    capacity = settings.capacity
    assert strategy == {
        "FARGATE": (capacity.fargate_base, capacity.fargate_weight),
        "FARGATE_SPOT": (0, capacity.fargate_spot_weight),
    }


def test_container_insights_are_on(cluster: Rendered, settings: Settings) -> None:
    assert cluster.properties("Cluster")["ClusterSettings"] == [
        {"Name": "containerInsights", "Value": settings.container_insights}
    ]
    assert settings.container_insights != "disabled"


def test_each_task_logs_for_thirty_days_encrypted(cluster: Rendered, settings: Settings) -> None:
    assert settings.log_retention_days == 30
    for task in (*(stage.logical_id for stage in settings.stages), "Reconcile"):
        group = cluster.properties(f"{task}LogGroup")
        assert group["RetentionInDays"] == 30
        assert group["KmsKeyId"] == {"Ref": Output.KEY_ARN}


def test_what_container_insights_writes_goes_with_the_stack(cluster: Rendered) -> None:
    name = cluster.properties("Cluster")["ClusterName"]["Fn::Sub"]
    group = cluster.properties("InsightsLogGroup")
    assert group["LogGroupName"] == {"Fn::Sub": f"/aws/ecs/containerinsights/{name}/performance"}
    # Otherwise the service would make the group first, and the stack's creation would fail.
    assert cluster.template["Resources"]["Cluster"]["DependsOn"] == "InsightsLogGroup"
