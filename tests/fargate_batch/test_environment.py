from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3

from fargate_batch.environment import find_environment
from local.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_an_unknown_environment_is_one_line_with_those_that_are_known(
    account: str, batch: Callable[..., Any]
) -> None:
    assert account
    ended = batch("runs", "--environment", "qa")
    assert ended.code == 1
    assert ended.message == "There is no environment 'qa' in config/; it has dev."


def test_an_environment_that_is_not_launched_is_one_line(
    account: str, batch: Callable[..., Any]
) -> None:
    assert account
    ended = batch("runs")
    assert ended.code == 1
    assert ended.message == (
        "The environment dev is not launched in eu-west-1; `sceptre launch dev` does it."
    )


def test_another_region_holds_another_environment(launched: Any, batch: Callable[..., Any]) -> None:
    assert launched
    assert batch("runs").code == 0
    ended = batch("runs", "--region", "eu-central-1")
    assert (ended.code, "not launched in eu-central-1" in ended.message) == (1, True)


def test_a_role_in_the_config_is_assumed_as_a_launch_does(launched: Any, project: Path) -> None:
    config = project / "config/dev/config.yaml"
    trust = {"Effect": "Allow", "Principal": {"AWS": launched.account}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}
    iam = boto3.client("iam")
    role = iam.create_role(
        RoleName="deploy", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]
    iam.put_role_policy(
        RoleName="deploy", PolicyName="reads", PolicyDocument=json.dumps({"Statement": [rights]})
    )
    config.write_text(f"sceptre_role: {role['Arn']}\n{config.read_text()}")
    environment = find_environment(project, "dev")
    assert ":assumed-role/deploy/" in environment.client("sts").get_caller_identity()["Arn"]


def test_an_endpoint_that_does_not_answer_is_one_line_within_seconds(
    account: str, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    started = time.monotonic()
    ended = batch("runs")
    assert time.monotonic() - started < 8
    assert ended.code == 1
    assert endpoint in ended.message
    assert "make local-up" in ended.message


def test_no_credentials_are_one_line(
    account: str, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert account
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = batch("runs")
    assert ended.code == 1
    assert "no AWS credentials" in ended.message
    assert "AWS_PROFILE" in ended.message


def test_an_unknown_profile_is_one_line(account: str, batch: Callable[..., Any]) -> None:
    assert account
    ended = batch("runs", "--profile", "nobody")
    assert ended.code == 1
    assert "nobody" in ended.message


def test_outside_a_project_the_message_says_where_to_go(
    batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = batch("runs")
    assert ended.code == 1
    assert ended.message.startswith(f"There is no config/config.yaml in {tmp_path}")


def test_a_folder_below_the_project_will_do(
    launched: Any, project: Path, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launched
    monkeypatch.chdir(project / "config" / "dev")
    assert batch("runs").code == 0


def test_a_half_launched_environment_says_what_is_missing(
    account: str, batch: Callable[..., Any], create_stack: Callable[..., None]
) -> None:
    assert account
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    create_stack("TapStackdev", topic, {"StackName": "TapStackdev"})
    ended = batch("runs")
    assert ended.code == 1
    assert ended.message == (
        "The environment dev has no InputBucketName in eu-west-1; "
        "`sceptre launch dev` creates what is missing."
    )
