"""For each stage a queue and a dead-letter queue, and the topic that alarms write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchkit.clients import LONG_POLL_SECONDS
from batchkit.worker import VISIBILITY_SECONDS
from troposphere import GetAtt, Ref, Sub, Template, sns, sqs

from fargate_batch.names import GivenNames, Output, StageOutput
from fargate_batch.template import policy
from fargate_batch.template.parts import arn, give, new_template, rendered, wired

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage, Storage

# Attempts are counted in the claim, all ways to start the work together, and the worker itself sets
# aside what three of them could not do, with the reason. A receive is no attempt: a message that
# meets a live claim is received and put back. So this is a backstop only, against a message that no
# worker survives long enough to claim.
MOST_RECEIVES = 100


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The stages' queues with their policies, and the alarm topic."""
    names = GivenNames(environment.project)
    template = new_template("Queues of the stages, and the topic of the alarms")
    for stage in environment.stages:
        _add_queues(template, stage, environment.storage, names)
    _add_alarm_topic(template, environment, names)
    return template


def _add_queues(template: Template, stage: Stage, storage: Storage, names: GivenNames) -> None:
    queue, dead_letters = f"{stage.logical_id}Queue", f"{stage.logical_id}DeadLetterQueue"
    encrypted = {
        "KmsMasterKeyId": wired(template, Output.KEY_ARN),
        # One call to KMS an hour instead of one every five minutes.
        "KmsDataKeyReusePeriodSeconds": 3600,
    }
    template.add_resource(
        sqs.Queue(
            dead_letters,
            QueueName=Sub(names.dead_letter_queue(stage.name)),
            # A message keeps its age when it moves here, so this one keeps the longest there is.
            MessageRetentionPeriod=14 * 86400,
            RedriveAllowPolicy={
                "redrivePermission": "byQueue",
                # By name, because the two queues would otherwise wait for each other.
                "sourceQueueArns": [Sub(arn("sqs", names.of(stage.name)))],
            },
            **encrypted,
        )
    )
    template.add_resource(
        sqs.Queue(
            queue,
            QueueName=Sub(names.of(stage.name)),
            # For whoever asks for no other; a worker renews it for as long as it lives.
            VisibilityTimeout=VISIBILITY_SECONDS,
            MessageRetentionPeriod=storage.message_retention_days * 86400,
            ReceiveMessageWaitTimeSeconds=LONG_POLL_SECONDS,
            RedrivePolicy=sqs.RedrivePolicy(
                deadLetterTargetArn=GetAtt(dead_letters, "Arn"), maxReceiveCount=MOST_RECEIVES
            ),
            **encrypted,
        )
    )
    # The rules are made later and by name, so that the queue can name them before they exist.
    rules = [
        Sub(arn("events", f"rule/{name}"))
        for name in (names.of(stage.name), names.retry_rule(stage.name))
    ]
    for title in (queue, dead_letters):
        queue_arn = GetAtt(title, "Arn")
        template.add_resource(
            sqs.QueuePolicy(
                f"{title}Policy",
                Queues=[Ref(title)],
                PolicyDocument=policy.document(
                    policy.allow(
                        ["sqs:SendMessage"],
                        [queue_arn],
                        principal={"Service": "events.amazonaws.com"},
                        condition={"ArnEquals": {"aws:SourceArn": rules}},
                        sid="OnlyTheStagesRulesSend",
                    ),
                    policy.deny_plain_http(["sqs:*"], [queue_arn]),
                ),
            )
        )
    give(template, StageOutput.QUEUE_URL.of(stage.name), Ref(queue))
    give(template, StageOutput.QUEUE_ARN.of(stage.name), GetAtt(queue, "Arn"))
    give(template, StageOutput.QUEUE_NAME.of(stage.name), GetAtt(queue, "QueueName"))
    give(template, StageOutput.DEAD_LETTER_QUEUE_URL.of(stage.name), Ref(dead_letters))
    give(template, StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name), GetAtt(dead_letters, "Arn"))
    give(
        template,
        StageOutput.DEAD_LETTER_QUEUE_NAME.of(stage.name),
        GetAtt(dead_letters, "QueueName"),
    )


def _add_alarm_topic(template: Template, environment: Settings, names: GivenNames) -> None:
    topic = template.add_resource(
        sns.Topic(
            "AlarmTopic",
            TopicName=Sub(names.of("alarms")),
            KmsMasterKeyId=wired(template, Output.KEY_ARN),
        )
    )
    template.add_resource(
        sns.TopicPolicy(
            "AlarmTopicPolicy",
            Topics=[Ref(topic)],
            PolicyDocument=policy.document(
                policy.allow(
                    ["sns:Publish"],
                    [Ref(topic)],
                    principal={"Service": "cloudwatch.amazonaws.com"},
                    condition=policy.from_this_account(arn("cloudwatch", f"alarm:{names.of('*')}")),
                    sid="AlarmsOfThisEnvironmentPublish",
                ),
                policy.deny_plain_http(["sns:Publish"], [Ref(topic)]),
            ),
        )
    )
    if environment.alarms.email is not None:
        template.add_resource(
            sns.SubscriptionResource(
                "AlarmSubscription",
                TopicArn=Ref(topic),
                Protocol="email",
                Endpoint=environment.alarms.email,
            )
        )
    give(template, Output.ALARM_TOPIC_ARN, Ref(topic))
