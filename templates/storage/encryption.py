"""The key that encrypts an environment's objects, messages and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, Ref, Sub, Template, kms

from fargate_batch.names import GivenNames, Output
from fargate_batch.template import policy
from fargate_batch.template.parts import arn, give, new_template, rendered

if TYPE_CHECKING:
    from fargate_batch.settings import Settings

# In a key policy the resource "*" means the key that the policy is attached to and nothing else.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
THIS_KEY = ["*"]

# Everything that can be done with a key, so that IAM policies decide who does it. Without these for
# the account a key could not even be deleted any more.
ACCOUNT_ACTIONS = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
]


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The key with its policy, and its alias."""
    names = GivenNames(environment.project)
    template = new_template("The key of the environment's logs, objects and messages")
    key = template.add_resource(
        kms.Key(
            "Key",
            Description=Sub(f"Logs, objects and messages of {names.cluster()}"),
            EnableKeyRotation=True,
            # The shortest that KMS has; a deleted key stays recoverable for that long.
            PendingWindowInDays=7,
            KeyPolicy=policy.document(
                _account(), _logs(names), _events_to_queues(), _alarms_to_topic()
            ),
        )
    )
    template.add_resource(
        kms.Alias("KeyAlias", AliasName=Sub(names.key_alias()), TargetKeyId=Ref(key))
    )
    give(template, Output.KEY_ARN, GetAtt(key, "Arn"))
    return template


def _account() -> policy.Statement:
    return policy.allow(
        ACCOUNT_ACTIONS,
        THIS_KEY,
        principal={"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
        sid="AccountDecidesByIam",
    )


def _logs(names: GivenNames) -> policy.Statement:
    # CloudWatch Logs checks these five when a log group is given the key, and names the group in
    # the encryption context. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/
    # encrypt-log-data-kms.html
    groups = [
        names.log_group("*"),
        names.failure_log_group(),
        names.insights_log_group(),
    ]
    return policy.allow(
        [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
        ],
        THIS_KEY,
        principal={"Service": Sub("logs.${AWS::Region}.${AWS::URLSuffix}")},
        condition={
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": [
                    Sub(arn("logs", f"log-group:{group}")) for group in groups
                ]
            }
        },
        sid="LogGroupsOfThisEnvironment",
    )


def _events_to_queues() -> policy.Statement:
    return policy.allow(
        ["kms:Decrypt", "kms:GenerateDataKey"],
        THIS_KEY,
        principal={"Service": "events.amazonaws.com"},
        condition={"StringEquals": {"aws:SourceAccount": Sub("${AWS::AccountId}")}},
        sid="RulesWriteToEncryptedQueues",
    )


def _alarms_to_topic() -> policy.Statement:
    return policy.allow(
        ["kms:Decrypt", "kms:GenerateDataKey*"],
        THIS_KEY,
        principal={"Service": "cloudwatch.amazonaws.com"},
        condition={"StringEquals": {"aws:SourceAccount": Sub("${AWS::AccountId}")}},
        sid="AlarmsWriteToEncryptedTopic",
    )
