from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.events.schedules import MINUTE_VARIABLE, is_rate, minute_seconds
from local.location import SettingError
from local.testing import free_port, local_aws
from tests.local.aws_clients import Clients
from tests.local.small_platform import CLUSTER_ARN, Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("expression", "valid"),
    [
        ("rate(1 minute)", True),
        ("rate(15 minutes)", True),
        ("rate(1 hour)", True),
        ("rate(2 days)", True),
        ("rate(1 minutes)", False),
        ("rate(2 minute)", False),
        ("rate(0 minutes)", False),
        ("rate(30 seconds)", False),
        ("rate( 1 minute )", False),
    ],
)
def test_a_rate_is_singular_for_one_and_plural_for_more(
    expression: str,
    valid: bool,  # noqa: FBT001 - a case's value
) -> None:
    assert is_rate(expression) == valid


@pytest.mark.parametrize("value", ["", "fast", "0", "-1", "nan", "inf"])
def test_a_minute_that_is_no_length_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(MINUTE_VARIABLE, value)
    with pytest.raises(SettingError, match=f"{MINUTE_VARIABLE} must be .* not '{value}'"):
        minute_seconds()


@pytest.mark.parametrize("expression", ["rate(5 minute)", "cron(0 1 * * * *)", "every day"])
def test_an_invalid_schedule_is_refused(clients: Any, unique: str, expression: str) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        clients.events.put_rule(Name=unique, ScheduleExpression=expression)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A directory and a port for a local AWS whose minutes last a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MINUTE_VARIABLE, "1")
        yield tmp_path_factory.mktemp("fast"), free_port()


def test_a_rate_fires_all_its_targets_and_counts_on_after_a_restart(
    fast: tuple[Path, int],
) -> None:
    directory, port = fast
    with local_aws(directory, persist=True, use_engine=False, port=port) as aws:
        clients = Clients(aws)
        targets = [_queue(clients, name) for name in ("one", "two")]
        urls = [clients.sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("one", "two")]
        clients.events.put_rule(Name="often", ScheduleExpression="rate(2 minutes)")
        clients.events.put_targets(Rule="often", Targets=targets)
        # An interval that ended before the restart is no reason to fire after it.
        clients.events.put_rule(Name="seldom", ScheduleExpression="rate(8 minutes)")
        clients.events.put_targets(Rule="seldom", Targets=[{**targets[1], "Input": '"seldom"'}])
        assert _bodies(clients, urls[0], 5) == ["often"]
        assert _bodies(clients, urls[1], 1) == ["often"]
        clients.events.disable_rule(Name="often")
    with local_aws(directory, persist=True, use_engine=False, port=port) as aws:
        clients = Clients(aws)
        assert _bodies(clients, urls[1], 8) == ["seldom"]
        assert _bodies(clients, urls[0], 0) == []


def _queue(clients: Any, name: str) -> dict[str, str]:
    """A target that takes what the rule sends."""
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    clients.sqs.create_queue(
        QueueName=name, Attributes={"Policy": json.dumps({"Statement": [statement]})}
    )
    return {"Id": name, "Arn": arn, "Input": '"often"'}


def _bodies(clients: Any, url: str, seconds: int) -> list[str]:
    """What is received at once, after waiting at most so long for the first."""
    answer = clients.sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=seconds, MaxNumberOfMessages=1
    )
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_rate_runs_a_task_with_the_targets_overrides(
    fast: tuple[Path, int],  # noqa: ARG001 - minutes are short while it is there
    tmp_path: Path,
    eventually: Callable[..., Any],
) -> None:
    statement = {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    override = {"name": "stage", "environment": [{"name": "WHY", "value": "the hour"}]}
    with local_aws(tmp_path, use_engine=False) as aws:
        made, events, iam = Platform(aws), aws.client("events"), aws.client("iam")
        role = iam.create_role(RoleName="events", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName="events", PolicyName="run", PolicyDocument=document)
        events.put_rule(Name="hourly", ScheduleExpression="rate(1 minute)")
        target = {
            "Id": "task",
            "Arn": CLUSTER_ARN,
            "RoleArn": role,
            "Input": json.dumps({"containerOverrides": [override]}),
            "EcsParameters": {
                "TaskDefinitionArn": made.definition,
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"]}},
            },
        }
        events.put_targets(Rule="hourly", Targets=[target])
        (arn, *_) = eventually(lambda: made.ecs.list_tasks(cluster="c")["taskArns"])
        (task,) = made.ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"]
        assert task["startedBy"] == "events-rule/hourly"
        assert task["overrides"]["containerOverrides"] == [override]
