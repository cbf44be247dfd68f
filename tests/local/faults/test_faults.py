from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.faults.client import FaultsClient, FaultsError
from local.faults.settings import CallFaults, EventFaults, Faults, TaskFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def faults(aws: Any) -> Iterator[FaultsClient]:
    yield aws.faults
    aws.faults.clear()


@pytest.fixture
def announced(clients: Any, unique: str, queue: tuple[str, str]) -> str:
    """A bucket whose new objects are told to the test's queue."""
    clients.s3.create_bucket(
        Bucket=unique, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    clients.s3.put_bucket_notification_configuration(
        Bucket=unique, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [unique]}}}
    clients.events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": queue[1]}])
    return unique


def keys(messages: list[Any]) -> list[str]:
    return [json.loads(message["Body"])["detail"]["object"]["key"] for message in messages]


def test_events_come_twice(
    faults: FaultsClient, clients: Any, announced: str, queue: tuple[str, str], messages: Any
) -> None:
    faults.put(Faults(events=EventFaults(twice=1, delay_seconds=0.5)))
    clients.s3.put_object(Bucket=announced, Key="a", Body=b"x")
    first, second = messages(queue[0], 2)
    assert json.loads(first["Body"]) == json.loads(second["Body"])
    assert faults.counts() == {"events.seen": 1, "events.twice": 1}


def test_events_come_late_and_out_of_order(
    faults: FaultsClient, clients: Any, announced: str, queue: tuple[str, str], messages: Any
) -> None:
    faults.put(Faults(events=EventFaults(late=0.5, delay_seconds=2)))
    names = [f"{number:02}" for number in range(20)]
    for name in names:
        clients.s3.put_object(Bucket=announced, Key=name, Body=b"x")
    found = keys(messages(queue[0], 20))
    assert sorted(found) == names != found
    assert 0 < faults.counts()["events.late"] < 20


def test_a_rule_is_told_that_all_is_well_when_nothing_was_placed(
    faults: FaultsClient,
    clients: Any,
    cluster: str,
    define: Callable[..., str],
    events_role: str,
    network: dict[str, Any],
    queue: tuple[str, str],
    unique: str,
    eventually: Callable[..., Any],
) -> None:
    definition = define()
    clients.events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    vpc = network["awsvpcConfiguration"]
    target = {
        "Id": "task",
        "Arn": f"arn:aws:ecs:eu-west-1:123456789012:cluster/{cluster}",
        "RoleArn": events_role,
        "EcsParameters": {
            "TaskDefinitionArn": definition,
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": vpc["subnets"]}},
        },
        "DeadLetterConfig": {"Arn": queue[1]},
    }
    clients.events.put_targets(Rule=unique, Targets=[target])
    faults.put(Faults(run_task_failures=1))
    clients.events.put_events(Entries=[{"Source": unique, "DetailType": "t", "Detail": "{}"}])
    assert eventually(lambda: faults.counts().get("run_task.failed") == 1)
    assert clients.ecs.list_tasks(cluster=cluster, family=unique)["taskArns"] == []
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=queue[0])
    # What anybody else asks for is placed.
    told = clients.ecs.run_task(
        cluster=cluster, taskDefinition=definition, networkConfiguration=network
    )
    assert told["failures"] == []
    clients.ecs.stop_task(cluster=cluster, task=told["tasks"][0]["taskArn"])


@pytest.mark.parametrize(
    ("sigkill_share", "stop_code", "exit_codes"),
    [
        (1, "EssentialContainerExited", {137}),
        # 143 where SIGTERM came before the program had said what it does then.
        (0, "SpotInterruption", {5, 143}),
    ],
)
def test_running_tasks_are_killed(
    faults: FaultsClient,
    tasks: Any,
    define: Callable[..., str],
    sigkill_share: float,
    stop_code: str,
    exit_codes: set[int],
) -> None:
    faults.put(Faults(tasks=TaskFaults(share=1, within_seconds=1, sigkill_share=sigkill_share)))
    definition = define(environment=[{"name": "STOP_CODE", "value": "5"}])
    stopped = tasks.wait(tasks.run(definition))
    assert stopped["stopCode"] == stop_code
    assert stopped["containers"][0]["exitCode"] in exit_codes
    (kind,) = (name for name in faults.counts() if name != "tasks.seen")
    assert kind == ("tasks.sigkill" if sigkill_share else "tasks.sigterm")


def test_the_same_work_is_killed_no_more_often_than_asked_for(
    faults: FaultsClient, tasks: Any, define: Callable[..., str]
) -> None:
    faults.put(
        Faults(tasks=TaskFaults(share=1, within_seconds=0, sigkill_share=1, most_per_work=1))
    )
    definition = define()
    override = {"containerOverrides": [{"name": "stage", "command": ["sleep", "0.5"]}]}
    codes = [
        tasks.wait(tasks.run(definition, overrides=override))["containers"][0]["exitCode"]
        for _ in range(2)
    ]
    assert codes == [137, 0]


def test_a_named_task_can_be_killed(
    faults: FaultsClient, tasks: Any, define: Callable[..., str]
) -> None:
    arn = tasks.run(define())
    tasks.wait(arn, "RUNNING")
    faults.kill_task(arn)
    assert tasks.wait(arn)["containers"][0]["exitCode"] == 137
    with pytest.raises(FaultsError, match="No task"):
        faults.kill_task(arn)


@pytest.fixture
def as_task(
    clients: Any,
    aws: Any,
    tasks: Any,
    define: Callable[..., str],
    task_role: str,
    unique: str,
    eventually: Callable[..., Any],
) -> Callable[[str], Any]:
    """Makes clients that call with a task's credentials and do not try again."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [everything]}
    clients.iam.put_role_policy(
        RoleName=unique, PolicyName="all", PolicyDocument=json.dumps(document)
    )
    override = {"containerOverrides": [{"name": "stage", "command": ["environment"]}]}
    arn = tasks.run(define(task={"taskRoleArn": task_role}), overrides=override)
    (line,) = eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    found = json.loads(line)
    session = boto3.session.Session(
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=found["AWS_SESSION_TOKEN"],
        region_name="eu-west-1",
    )

    def client(service: str) -> Any:
        make: Any = session.client
        config = Config(retries={"total_max_attempts": 1})
        return make(service, endpoint_url=aws.endpoint, config=config)

    return client


@pytest.fixture
def table(clients: Any, unique: str) -> str:
    clients.dynamodb.create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return unique


@pytest.fixture
def bucket(clients: Any, unique: str) -> str:
    clients.s3.create_bucket(
        Bucket=unique, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    return unique


KNOWN = {
    "dynamodb": {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "ServiceUnavailable",
    },
    "sqs": {"InternalFailure", "RequestThrottled", "ServiceUnavailable"},
    "s3": {"InternalError", "SlowDown", "ServiceUnavailable"},
}


def test_each_service_fails_in_its_own_words(
    faults: FaultsClient,
    clients: Any,
    as_task: Callable[[str], Any],
    table: str,
    bucket: str,
    queue: tuple[str, str],
) -> None:
    faults.put(Faults(calls={service: CallFaults(share=1) for service in KNOWN}))
    calls: dict[str, Callable[[], Any]] = {
        "dynamodb": lambda: as_task("dynamodb").put_item(TableName=table, Item={"id": {"S": "a"}}),
        "sqs": lambda: as_task("sqs").send_message(QueueUrl=queue[0], MessageBody="x"),
        "s3": lambda: as_task("s3").put_object(Bucket=bucket, Key="a", Body=b"x" * 100_000),
    }
    for service, call in calls.items():
        for _ in range(5):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["Error"]["Code"] in KNOWN[service]
    assert faults.counts()["calls.s3.before"] == 5
    # Nothing took effect, and only tasks are answered so.
    assert clients.dynamodb.scan(TableName=table)["Count"] == 0
    assert clients.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=queue[0])


def test_an_answer_may_be_lost_after_the_call_took_effect(
    faults: FaultsClient, clients: Any, as_task: Callable[[str], Any], table: str, bucket: str
) -> None:
    lost = CallFaults(share=1, after_share=1)
    faults.put(Faults(calls={"dynamodb": lost, "s3": lost}))
    with pytest.raises(ClientError, match="InternalServerError"):
        as_task("dynamodb").put_item(TableName=table, Item={"id": {"S": "a"}})
    with pytest.raises(ClientError, match="InternalError"):
        as_task("s3").put_object(Bucket=bucket, Key="a", Body=b"x")
    with pytest.raises(ClientError, match="500"):
        as_task("s3").head_object(Bucket=bucket, Key="a")
    assert clients.dynamodb.scan(TableName=table)["Count"] == 1
    assert clients.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert faults.clear()["calls.dynamodb.after"] == 1
    assert as_task("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_calls_may_be_slow(
    faults: FaultsClient, as_task: Callable[[str], Any], bucket: str
) -> None:
    s3 = as_task("s3")
    with faults.during(Faults(calls={"s3": CallFaults(slow=1, slow_seconds=1.5)})):
        started = time.monotonic()
        for _ in range(2):
            assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        assert time.monotonic() - started > 0.2
        assert faults.counts()["calls.s3.slow"] == 2


def test_what_is_no_fault_is_refused(aws: Any, faults: FaultsClient) -> None:
    with pytest.raises(FaultsError, match="share"):
        faults._call("PUT", "faults", {"tasks": {"share": 2}})
    assert faults.counts() == {}
    with pytest.raises(FaultsError, match="There is no"):
        FaultsClient(f"{aws.endpoint}/_local/x?").counts()
