from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable


def override(*command: str, **environment: str) -> dict[str, Any]:
    return {
        "containerOverrides": [
            {
                "name": "stage",
                "command": list(command),
                "environment": [{"name": k, "value": v} for k, v in environment.items()],
            }
        ]
    }


def test_a_task_runs_the_pushed_layers_and_its_output_becomes_log_events(
    tasks: Any, define: Callable[..., str], unique: str, eventually: Callable[..., Any]
) -> None:
    arn = tasks.run(define(), overrides=override("sleep", "0"))
    stopped = tasks.wait(arn)
    assert stopped["containers"][0]["exitCode"] == 0
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert eventually(lambda: tasks.output(arn, f"/tests/{unique}")) == ["sleeping"]


def test_the_exit_code_is_the_commands_own(tasks: Any, define: Callable[..., str]) -> None:
    stopped = tasks.wait(tasks.run(define(), overrides=override("exit", "7")))
    assert stopped["containers"][0]["exitCode"] == 7
    assert stopped["stopCode"] == "EssentialContainerExited"


def test_a_task_that_holds_more_memory_than_it_has_is_killed_with_137(
    tasks: Any, define: Callable[..., str]
) -> None:
    stopped = tasks.wait(tasks.run(define(), overrides=override("allocate", "900")))
    assert stopped["containers"][0]["exitCode"] == 137
    assert "OutOfMemory" in stopped["containers"][0]["reason"]


def test_a_missing_image_fails_the_start_and_says_so(
    tasks: Any, define: Callable[..., str], aws: Any, repository: str
) -> None:
    definition = define(image=f"{aws.registry}/{repository}:no-such-tag")
    stopped = tasks.wait(tasks.run(definition))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith("CannotPullContainerError")
    assert "exitCode" not in stopped["containers"][0]


def test_state_changes_are_told_in_order(
    tasks: Any,
    define: Callable[..., str],
    task_events: str,
    messages: Callable[..., list[Any]],
) -> None:
    tasks.wait(tasks.run(define(), overrides=override("exit", "3")))
    bodies = [json.loads(message["Body"]) for message in messages(task_events, 3)]
    details = sorted((body["detail"] for body in bodies), key=lambda detail: detail["version"])
    assert [detail["lastStatus"] for detail in details] == ["PENDING", "RUNNING", "STOPPED"]
    assert details[-1]["containers"][0]["exitCode"] == 3
    assert details[-1]["stopCode"] == "EssentialContainerExited"


def test_stop_sends_sigterm_and_reports_the_handlers_exit_code(
    tasks: Any,
    define: Callable[..., str],
    clients: Any,
    cluster: str,
    unique: str,
    eventually: Callable[..., Any],
) -> None:
    definition = define(environment=[{"name": "STOP_CODE", "value": "5"}])
    arn = tasks.run(definition)
    tasks.wait(arn, "RUNNING")
    eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    answer = clients.ecs.stop_task(cluster=cluster, task=arn, reason="test")["task"]
    assert answer["desiredStatus"] == "STOPPED"
    assert answer["lastStatus"] != "STOPPED"
    stopped = tasks.wait(arn)
    assert stopped["containers"][0]["exitCode"] == 5
    assert stopped["stoppedReason"] == "test"
    assert stopped["stopCode"] == "UserInitiated"


def test_stop_kills_after_the_stop_timeout(
    tasks: Any, define: Callable[..., str], clients: Any, cluster: str, unique: str, eventually: Any
) -> None:
    definition = define(stopTimeout=2, environment=[{"name": "STOP_SECONDS", "value": "60"}])
    arn = tasks.run(definition)
    tasks.wait(arn, "RUNNING")
    eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    clients.ecs.stop_task(cluster=cluster, task=arn)
    stopped = tasks.wait(arn)
    assert stopped["containers"][0]["exitCode"] == 137


def test_a_task_has_its_roles_credentials_its_region_and_the_endpoint(
    tasks: Any,
    define: Callable[..., str],
    clients: Any,
    aws: Any,
    unique: str,
    task_role: str,
    eventually: Callable[..., Any],
) -> None:
    arn = tasks.run(
        define(task={"taskRoleArn": task_role}), overrides=override("environment", A="b")
    )
    tasks.wait(arn)
    (line,) = eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    environment = json.loads(line)
    assert environment["A"] == "b"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint
    session = boto3.session.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
        region_name=environment["AWS_REGION"],
    )
    endpoint = environment["AWS_ENDPOINT_URL"]
    identity = session.client("sts", endpoint_url=endpoint).get_caller_identity()
    assert f"assumed-role/{unique}/" in identity["Arn"]
    # What the role allows works, and nothing else does.
    for name in (unique, f"{unique}-other"):
        clients.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    s3 = session.client("s3", endpoint_url=endpoint)
    assert s3.list_objects_v2(Bucket=unique)["KeyCount"] == 0
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=f"{unique}-other")


def test_a_task_writes_into_its_own_directory(
    tasks: Any, define: Callable[..., str], unique: str, eventually: Callable[..., Any]
) -> None:
    arn = tasks.run(define(), overrides=override("write"))
    tasks.wait(arn)
    assert eventually(lambda: tasks.output(arn, f"/tests/{unique}")) == ["written"]
