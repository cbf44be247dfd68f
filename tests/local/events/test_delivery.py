from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = (
    '{"containerOverrides": [{"name": "stage", "command": ["environment"], "environment": ['
    '{"name": "EVENT_BUCKET", "value": <bucket>}, {"name": "EVENT_KEY", "value": <key>}]}]}'
)
NETWORK = {"awsvpcConfiguration": {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"]}}


@pytest.fixture
def rule(clients: Any, cluster: str, unique: str, events_role: str) -> Callable[..., str]:
    """Makes a bucket whose new objects run a task, and returns its name."""

    def make(definition: str, **target: Any) -> str:
        clients.s3.create_bucket(
            Bucket=unique, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        clients.s3.put_bucket_notification_configuration(
            Bucket=unique, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        clients.events.put_rule(
            Name=f"{unique}-run",
            EventPattern=json.dumps(
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [unique]}},
                }
            ),
        )
        clients.events.put_targets(
            Rule=f"{unique}-run",
            Targets=[
                {
                    "Id": "task",
                    "Arn": f"arn:aws:ecs:eu-west-1:123456789012:cluster/{cluster}",
                    "RoleArn": events_role,
                    "EcsParameters": {
                        "TaskDefinitionArn": definition,
                        "NetworkConfiguration": NETWORK,
                    },
                    "InputTransformer": {
                        "InputPathsMap": {
                            "bucket": "$.detail.bucket.name",
                            "key": "$.detail.object.key",
                        },
                        "InputTemplate": TEMPLATE,
                    },
                    **target,
                }
            ],
        )
        return unique

    return make


@pytest.mark.parametrize("key", ["plain.csv", 'a "quoted" \\ key.csv', "grüße/日本 &<>.csv"])
def test_an_object_runs_a_task_with_its_key_in_the_environment(
    rule: Callable[..., str],
    define: Callable[..., str],
    clients: Any,
    cluster: str,
    tasks: Any,
    unique: str,
    eventually: Callable[..., Any],
    key: str,
) -> None:
    bucket = rule(define())
    clients.s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def arns() -> Any:
        return clients.ecs.list_tasks(cluster=cluster, family=unique, desiredStatus="STOPPED")[
            "taskArns"
        ]

    (arn,) = eventually(arns)
    assert tasks.describe(arn)["startedBy"].startswith("events-rule/")
    (line,) = eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    assert json.loads(line)["EVENT_KEY"] == key
    assert json.loads(line)["EVENT_BUCKET"] == bucket


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue_with_the_reason(
    rule: Callable[..., str],
    clients: Any,
    queue: tuple[str, str],
    messages: Callable[..., list[Any]],
    unique: str,
    cluster: str,
) -> None:
    url, arn = queue
    definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/no-such:1"
    bucket = rule(
        definition, DeadLetterConfig={"Arn": arn}, RetryPolicy={"MaximumRetryAttempts": 2}
    )
    clients.s3.put_object(Bucket=bucket, Key="lost.csv", Body=b"x")
    (message,) = messages(url)
    event = json.loads(message["Body"])
    assert event["detail"]["object"]["key"] == "lost.csv"
    attributes = {n: v["StringValue"] for n, v in message["MessageAttributes"].items()}
    assert attributes["RULE_ARN"].endswith(f"rule/{unique}-run")
    assert attributes["TARGET_ARN"].endswith(f"cluster/{cluster}")
    assert attributes["ERROR_CODE"] == "SDK_CLIENT_ERROR"
    assert "no-such" in attributes["ERROR_MESSAGE"]


def test_each_rule_counts_what_it_matched_and_what_failed(
    rule: Callable[..., str],
    clients: Any,
    queue: tuple[str, str],
    messages: Callable[..., list[Any]],
    unique: str,
) -> None:
    url, arn = queue
    bucket = rule(
        "arn:aws:ecs:eu-west-1:123456789012:task-definition/no-such:1",
        DeadLetterConfig={"Arn": arn},
    )
    for number in range(3):
        clients.s3.put_object(Bucket=bucket, Key=f"{number}.csv", Body=b"x")
    assert len(messages(url, 3)) == 3

    def total(metric: str) -> float:
        answer = clients.cloudwatch.get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": "RuleName", "Value": f"{unique}-run"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in answer["Datapoints"]))

    for metric in ("MatchedEvents", "TriggeredRules", "Invocations", "FailedInvocations"):
        assert total(metric) == 3, metric


def test_a_role_that_may_not_run_the_task_shows_in_the_dead_letter(
    rule: Callable[..., str],
    define: Callable[..., str],
    clients: Any,
    queue: tuple[str, str],
    messages: Callable[..., list[Any]],
    unique: str,
) -> None:
    url, arn = queue
    clients.iam.delete_role_policy(RoleName=f"{unique}-events", PolicyName="run")
    bucket = rule(define(), DeadLetterConfig={"Arn": arn})
    clients.s3.put_object(Bucket=bucket, Key="a.csv", Body=b"x")
    (message,) = messages(url)
    attributes = {n: v["StringValue"] for n, v in message["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert "ecs:RunTask" in attributes["ERROR_MESSAGE"]


def test_a_queue_whose_policy_does_not_name_eventbridge_gets_nothing(
    clients: Any, unique: str, messages: Callable[..., list[Any]]
) -> None:
    url = clients.sqs.create_queue(QueueName=f"{unique}-closed")["QueueUrl"]
    clients.events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    clients.events.put_targets(
        Rule=unique,
        Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:eu-west-1:123456789012:{unique}-closed"}],
    )
    clients.events.put_events(Entries=[{"Source": unique, "DetailType": "t", "Detail": "{}"}])
    assert messages(url, 1, 2) == []


def test_a_tasks_end_reaches_a_queue_that_takes_tls_only(
    define: Callable[..., str],
    clients: Any,
    tasks: Any,
    unique: str,
    messages: Callable[..., list[Any]],
) -> None:
    # A task ends in nobody's request, so nothing but EventBridge itself can bring the TLS.
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{unique}-tls"
    sending = {"Action": "sqs:SendMessage", "Resource": arn}
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, **sending}
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        **sending,
    }
    url = clients.sqs.create_queue(
        QueueName=f"{unique}-tls",
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})},
    )["QueueUrl"]
    pattern = {
        "source": ["aws.ecs"],
        "detail": {"lastStatus": ["STOPPED"], "group": [f"family:{unique}"]},
    }
    clients.events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "q", "Arn": arn}])
    tasks.wait(tasks.run(define(command=["environment"])))
    (message,) = messages(url)
    assert json.loads(message["Body"])["detail"]["lastStatus"] == "STOPPED"


def test_a_log_group_is_a_target(clients: Any, unique: str, eventually: Callable[..., Any]) -> None:
    clients.logs.create_log_group(logGroupName=f"/aws/events/{unique}")
    clients.events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/events/{unique}:*"
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "log", "Arn": arn}])
    clients.events.put_events(
        Entries=[{"Source": unique, "DetailType": "t", "Detail": json.dumps({"a": "ü"})}]
    )

    def logged() -> Any:
        group = clients.logs.filter_log_events(logGroupName=f"/aws/events/{unique}")
        return group["events"]

    (event,) = eventually(logged)
    assert json.loads(event["message"])["detail"] == {"a": "ü"}
