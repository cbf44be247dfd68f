"""Every name that more than one file must agree on: stacks, outputs, logical ids, variables.

Templates write these names, stack files and tests read them; none of them types one twice.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SUFFIX_PARAMETER: Final = "EnvironmentSuffix"
SUFFIX_PATTERN: Final = "^[a-zA-Z0-9]+$"


class StackPath(StrEnum):
    """Where a stack lives below config/<environment>/ and below templates/."""

    VPC = "network/vpc"
    ENDPOINTS = "network/endpoints"
    ENCRYPTION = "storage/encryption"
    BUCKETS = "storage/buckets"
    QUEUES = "storage/queues"
    REGISTRY = "storage/registry"
    LEDGER = "storage/ledger"
    CLUSTER = "compute/cluster"
    TASKS = "compute/tasks"
    SERVICES = "compute/services"
    PIPELINE = "eventing/pipeline"
    OBSERVABILITY = "eventing/observability"


def ledger_stack_name(suffix: str) -> str:
    """The ledger's stack carries a name of its own, so consumers read it as an external stack."""
    return f"TapStack{suffix}"


class Output(StrEnum):
    """Outputs that exist once in an environment."""

    VPC_ID = "VpcId"
    PRIVATE_SUBNET_IDS = "PrivateSubnetIds"
    PRIVATE_ROUTE_TABLE_IDS = "PrivateRouteTableIds"
    TASK_SECURITY_GROUP_ID = "TaskSecurityGroupId"
    ENDPOINT_SECURITY_GROUP_ID = "EndpointSecurityGroupId"
    KEY_ARN = "KeyArn"
    INPUT_BUCKET_NAME = "InputBucketName"
    INPUT_BUCKET_ARN = "InputBucketArn"
    OUTPUT_BUCKET_NAME = "OutputBucketName"
    OUTPUT_BUCKET_ARN = "OutputBucketArn"
    ACCESS_LOG_BUCKET_NAME = "AccessLogBucketName"
    ACCESS_LOG_BUCKET_ARN = "AccessLogBucketArn"
    ALARM_TOPIC_ARN = "AlarmTopicArn"
    LEDGER_TABLE_NAME = "TurnAroundPromptTableName"
    LEDGER_TABLE_ARN = "TurnAroundPromptTableArn"
    CLUSTER_NAME = "ClusterName"
    CLUSTER_ARN = "ClusterArn"
    EVENTBRIDGE_ROLE_ARN = "EventBridgeRoleArn"


class StageOutput(StrEnum):
    """Outputs that exist once for each stage; the stage's logical id stands before them."""

    QUEUE_URL = "QueueUrl"
    QUEUE_ARN = "QueueArn"
    QUEUE_NAME = "QueueName"
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    DEAD_LETTER_QUEUE_ARN = "DeadLetterQueueArn"
    DEAD_LETTER_QUEUE_NAME = "DeadLetterQueueName"
    REPOSITORY_URI = "RepositoryUri"
    REPOSITORY_ARN = "RepositoryArn"
    LOG_GROUP_NAME = "LogGroupName"
    LOG_GROUP_ARN = "LogGroupArn"
    EXECUTION_ROLE_ARN = "ExecutionRoleArn"
    TASK_ROLE_ARN = "TaskRoleArn"
    TASK_DEFINITION_ARN = "TaskDefinitionArn"
    SERVICE_NAME = "ServiceName"
    SERVICE_ARN = "ServiceArn"
    RULE_NAME = "RuleName"

    def of(self, stage: str) -> str:
        """The output's name for one stage, e.g. DataIngestionRepositoryUri."""
        return logical_id(stage) + self.value


def logical_id(name: str) -> str:
    """A stage's name as CloudFormation wants it: data-ingestion becomes DataIngestion."""
    return "".join(part.capitalize() for part in name.split("-"))
