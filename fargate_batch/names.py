"""Every name that more than one file must agree on: stacks, outputs, logical ids, resources.

What is Python takes a name from here. A stack file cannot, and spells it out; tests/config holds
the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SUFFIX_PARAMETER: Final = "EnvironmentSuffix"
SUFFIX_PATTERN: Final = "^[a-zA-Z0-9]+$"

# The task that finds what got lost. It is no stage, but its outputs are named as a stage's are.
RECONCILE: Final = "reconcile"

# The rule and the log group of tasks that failed, the rule of those that Spot took, and the log
# group of the network's traffic.
TASK_FAILURES: Final = "task-failures"
TASK_INTERRUPTIONS: Final = "task-interruptions"
FLOW_LOGS: Final = "vpc-flow"

# Named as a stage's resources are, so no stage may be called so.
PLATFORM_NAMES: Final = frozenset({RECONCILE, TASK_FAILURES, TASK_INTERRUPTIONS, FLOW_LOGS})


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
    ALARM_TOPIC_ARN = "AlarmTopicArn"
    LEDGER_TABLE_NAME = "TurnAroundPromptTableName"
    LEDGER_TABLE_ARN = "TurnAroundPromptTableArn"
    CLUSTER_NAME = "ClusterName"
    CLUSTER_ARN = "ClusterArn"
    DEFAULT_SECURITY_GROUP_ID = "DefaultSecurityGroupId"


class StageOutput(StrEnum):
    """Outputs that exist once for each stage; the stage's logical id stands before them.

    Those of a task and its log group exist once more, for `reconcile`.
    """

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
    TASK_FAMILY = "TaskFamily"
    SERVICE_NAME = "ServiceName"
    RULE_NAME = "RuleName"
    RETRY_RULE_NAME = "RetryRuleName"
    IMAGE_URI = "ImageUri"
    """A parameter of compute/tasks rather than an output; `!image_uri` gives its value."""

    def of(self, stage: str) -> str:
        """The output's name for one stage, e.g. DataIngestionRepositoryUri."""
        return logical_id(stage) + self.value


def logical_id(name: str) -> str:
    """A stage's name as CloudFormation wants it: data-ingestion becomes DataIngestion."""
    return "".join(part.capitalize() for part in name.split("-"))


@dataclass(frozen=True)
class GivenNames:
    """The names that resources carry on AWS; each ends in the environment's suffix.

    Inside a template suffix, account and region are references that Fn::Sub fills in, elsewhere
    their values.
    """

    project: str
    suffix: str = f"${{{SUFFIX_PARAMETER}}}"

    def of(self, what: str) -> str:
        """A name among the resources of one service, e.g. fargate-batch-data-ingestion-dev."""
        return f"{self.project}-{what}-{self.suffix}"

    def role(self, what: str, region: str = "${AWS::Region}") -> str:
        """A role; roles are the account's, so that two regions may not call theirs the same."""
        return self.of(f"{what}-{region}")

    def execution_role(self, task: str, region: str = "${AWS::Region}") -> str:
        """The role of what Fargate does for a task; short, for it has 64 characters at most."""
        return self.role(f"{task}-exec", region)

    def task_role(self, task: str) -> str:
        """The role of what a task's own code does."""
        return self.role(f"{task}-task")

    def dead_letter_queue(self, stage: str) -> str:
        """Where a stage's messages go that no attempt could work."""
        return self.of(f"{stage}-dead-letter")

    def retry_rule(self, stage: str) -> str:
        """The rule that puts the work of a stage's failed tasks on its queue."""
        return self.of(f"{stage}-retry")

    def cluster(self) -> str:
        """The ECS cluster."""
        return f"{self.project}-{self.suffix}"

    def service(self, stage: str) -> str:
        """A stage's service; services are named within their cluster."""
        return f"{stage}-{self.suffix}"

    def key_alias(self) -> str:
        """The alias of the environment's key."""
        return f"alias/{self.project}-{self.suffix}"

    def log_group(self, what: str) -> str:
        """A log group; what is a stage or a part of the network."""
        return f"/{self.project}/{what}/{self.suffix}"

    def failure_log_group(self) -> str:
        """Where EventBridge, which may write below /aws/events only, writes such tasks."""
        return f"/aws/events/{self.project}/{TASK_FAILURES}/{self.suffix}"

    def insights_log_group(self) -> str:
        """Where Container Insights writes; AWS chooses the name, from the cluster's."""
        return f"/aws/ecs/containerinsights/{self.cluster()}/performance"

    def repository(self, stage: str) -> str:
        """A stage's image repository."""
        return f"{self.project}/{stage}-{self.suffix}"

    def bucket(
        self, what: str, account_id: str = "${AWS::AccountId}", region: str = "${AWS::Region}"
    ) -> str:
        """A bucket; bucket names are shared by all the world, hence account and region."""
        return f"{self.project}-{what}-{account_id}-{region}-{self.suffix}"

    def table(self) -> str:
        """The ledger's table."""
        return f"TurnAroundPromptTable{self.suffix}"
