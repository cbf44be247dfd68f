from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batchkit.worker import VISIBILITY_SECONDS

from fargate_batch.names import Output, StackPath

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, RenderChanged, Rendered


@pytest.fixture
def queues(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.QUEUES)


def test_receives_do_not_count_as_attempts(queues: Rendered, settings: Settings) -> None:
    # The claim counts three; SQS sets aside only what no worker survives.
    for stage in settings.stages:
        redrive = queues.properties(f"{stage.logical_id}Queue")["RedrivePolicy"]
        assert redrive == {
            "deadLetterTargetArn": {"Fn::GetAtt": [f"{stage.logical_id}DeadLetterQueue", "Arn"]},
            "maxReceiveCount": 100,
        }


def test_dead_letter_queue_takes_from_its_own_queue_only(
    queues: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        dead_letters = queues.properties(f"{stage.logical_id}DeadLetterQueue")
        (source,) = dead_letters["RedriveAllowPolicy"]["sourceQueueArns"]
        name = queues.properties(f"{stage.logical_id}Queue")["QueueName"]["Fn::Sub"]
        assert source["Fn::Sub"].endswith(":" + name)


def test_a_message_comes_back_from_whoever_died_with_it_as_from_a_worker(
    queues: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        queue = queues.properties(f"{stage.logical_id}Queue")
        assert queue["VisibilityTimeout"] == VISIBILITY_SECONDS


def test_dead_letters_outlive_the_messages_they_were(queues: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        queue = queues.properties(f"{stage.logical_id}Queue")
        dead_letters = queues.properties(f"{stage.logical_id}DeadLetterQueue")
        assert dead_letters["MessageRetentionPeriod"] >= queue["MessageRetentionPeriod"]


def test_messages_are_encrypted_with_the_environments_key(queues: Rendered) -> None:
    for queue in queues.of_type("AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == {"Ref": Output.KEY_ARN}


def test_only_the_stages_own_rules_send(
    queues: Rendered, render: Render, settings: Settings
) -> None:
    pipeline = render(queues.environment, StackPath.PIPELINE)
    for stage in settings.stages:
        rules = [
            pipeline.properties(f"{stage.logical_id}{kind}")["Name"]["Fn::Sub"]
            for kind in ("Rule", "RetryRule")
        ]
        for kind in ("Queue", "DeadLetterQueue"):
            policy = queues.properties(f"{stage.logical_id}{kind}Policy")["PolicyDocument"]
            allow, deny = policy["Statement"]
            assert allow["Principal"] == {"Service": "events.amazonaws.com"}
            sources = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
            assert [source["Fn::Sub"].split(":rule/")[1] for source in sources] == rules
            assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_alarm_topic_is_encrypted_and_takes_this_environments_alarms(queues: Rendered) -> None:
    assert queues.properties("AlarmTopic")["KmsMasterKeyId"] == {"Ref": Output.KEY_ARN}
    allow, deny = queues.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    alarms = allow["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    assert alarms.endswith(":alarm:fargate-batch-*-${EnvironmentSuffix}")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("email", [None, "desk@example.com"])
def test_somebody_is_written_to_when_the_settings_name_them(
    render_changed: RenderChanged, environment: str, email: str | None
) -> None:
    def name(data: dict[str, Any]) -> None:
        data["alarms"]["email"] = email

    queues = render_changed(environment, StackPath.QUEUES, name)
    written_to = [
        (each["Protocol"], each["Endpoint"], each["TopicArn"])
        for each in queues.of_type("AWS::SNS::Subscription").values()
    ]
    assert written_to == ([("email", email, {"Ref": "AlarmTopic"})] if email else [])
