from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIMENSION = "ecs:service:DesiredCount"


@pytest.fixture
def resource(
    clients: Any, cluster: str, define: Callable[..., str], unique: str, network: dict[str, Any]
) -> Iterator[dict[str, str]]:
    clients.ecs.create_service(
        cluster=cluster,
        serviceName=unique,
        taskDefinition=define(),
        desiredCount=0,
        networkConfiguration=network,
    )
    named = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{cluster}/{unique}",
        "ScalableDimension": DIMENSION,
    }
    clients.application_autoscaling.register_scalable_target(**named, MinCapacity=0, MaxCapacity=2)
    yield named
    clients.application_autoscaling.deregister_scalable_target(**named)
    clients.ecs.delete_service(cluster=cluster, service=unique, force=True)


def test_messages_in_a_queue_start_the_first_task_and_none_stops_it(
    clients: Any,
    cluster: str,
    unique: str,
    queue: tuple[str, str],
    resource: dict[str, str],
    eventually: Callable[..., Any],
) -> None:
    url, _ = queue
    for name, comparison, adjustment in (
        ("out", "GreaterThanOrEqualToThreshold", {"MetricIntervalLowerBound": 0, "to": 2}),
        ("in", "LessThanThreshold", {"MetricIntervalUpperBound": 0, "to": 0}),
    ):
        capacity = adjustment.pop("to")
        arn = clients.application_autoscaling.put_scaling_policy(
            **resource,
            PolicyName=name,
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ExactCapacity",
                "Cooldown": 0,
                "StepAdjustments": [{**adjustment, "ScalingAdjustment": capacity}],
            },
        )["PolicyARN"]
        clients.cloudwatch.put_metric_alarm(
            AlarmName=f"{unique}-{name}",
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": unique}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator=comparison,
            AlarmActions=[arn],
        )

    def count(field: str) -> int:
        described = clients.ecs.describe_services(cluster=cluster, services=[unique])
        return int(described["services"][0][field])

    clients.sqs.send_message(QueueUrl=url, MessageBody="work")
    assert eventually(lambda: count("runningCount") == 2)
    (activity, *_) = clients.application_autoscaling.describe_scaling_activities(
        ServiceNamespace="ecs", ResourceId=resource["ResourceId"]
    )["ScalingActivities"]
    assert activity["StatusCode"] == "Successful"
    assert f"{unique}-out" in activity["Cause"]
    clients.sqs.purge_queue(QueueUrl=url)
    assert eventually(lambda: count("desiredCount") == 0)


def test_target_tracking_makes_its_alarms_and_takes_them_away(
    clients: Any, resource: dict[str, str], unique: str
) -> None:
    answer = clients.application_autoscaling.put_scaling_policy(
        **resource,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 70,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
            "ScaleOutCooldown": 300,
            "ScaleInCooldown": 300,
        },
    )
    names = [alarm["AlarmName"] for alarm in answer["Alarms"]]
    alarms = clients.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert sorted(alarm["Threshold"] for alarm in alarms) == [63, 70]
    assert all(unique in str(alarm["Dimensions"]) for alarm in alarms)
    (policy,) = clients.application_autoscaling.describe_scaling_policies(ServiceNamespace="ecs")[
        "ScalingPolicies"
    ]
    assert [alarm["AlarmName"] for alarm in policy["Alarms"]] == names
    clients.application_autoscaling.delete_scaling_policy(PolicyName="cpu", **resource)
    assert clients.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []


def test_target_tracking_follows_an_expression_over_the_tasks_that_run(
    clients: Any,
    cluster: str,
    unique: str,
    queue: tuple[str, str],
    resource: dict[str, str],
    eventually: Callable[..., Any],
) -> None:
    clients.ecs.update_cluster_settings(
        cluster=cluster, settings=[{"name": "containerInsights", "value": "enabled"}]
    )

    def metric(id_: str, namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        described = {"Namespace": namespace, "MetricName": name, "Dimensions": named}
        return {"Id": id_, "ReturnData": False, "MetricStat": {"Metric": described, "Stat": "Sum"}}

    answer = clients.application_autoscaling.put_scaling_policy(
        **resource,
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 3,
            "ScaleOutCooldown": 0,
            "CustomizedMetricSpecification": {
                "Metrics": [
                    metric(
                        "visible", "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=unique
                    ),
                    metric(
                        "running",
                        "ECS/ContainerInsights",
                        "RunningTaskCount",
                        ClusterName=cluster,
                        ServiceName=unique,
                    ),
                    {"Id": "each", "Label": "Backlog", "Expression": "visible / running"},
                ]
            },
        },
    )
    for number in range(5):
        clients.sqs.send_message(QueueUrl=queue[0], MessageBody=str(number))
    # Without a task there is no backlog per task; somebody else has to start the first.
    clients.ecs.update_service(cluster=cluster, service=unique, desiredCount=1)

    def value() -> Any:
        alarm = clients.cloudwatch.describe_alarms(AlarmNames=[answer["Alarms"][0]["AlarmName"]])
        return alarm["MetricAlarms"][0]["StateReason"]

    # The policy acts after three minutes of this; that the metric is right shows in the alarm.
    assert eventually(lambda: "5" in value()), value()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MinCapacity": 3, "MaxCapacity": 2}, "Minimum capacity cannot be greater"),
        ({"ResourceId": "service/tests/no-such-service"}, "ECS service doesn't exist"),
    ],
)
def test_what_cannot_be_scaled_is_refused(
    clients: Any, resource: dict[str, str], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        clients.application_autoscaling.register_scalable_target(
            **{**resource, "MinCapacity": 0, "MaxCapacity": 2, **change}
        )
