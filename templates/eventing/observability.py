"""What the operator sees: failed tasks, alarms and a dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import CfnParameter, Duration, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from sceptre_cdk_handler import SceptreCdkStack

from fargate_batch import settings
from fargate_batch.names import SUFFIX_PARAMETER, SUFFIX_PATTERN, GivenNames, Output, StageOutput
from fargate_batch.template import policy

if TYPE_CHECKING:
    from constructs import Construct

    from fargate_batch.settings import Settings, Stage

FAILURE_RULE = "task-failures"
LOG_GROUP_ARN = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
RULE_ARN = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/"


class Observability(SceptreCdkStack):  # type: ignore[misc]  # the handler ships no types
    """The rule that notices failed tasks, the alarms, and the dashboard.

    Raises:
        UserError: a setting is missing or out of range.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDK's own name for it
        sceptre_user_data: dict[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(scope, id, sceptre_user_data, **options)
        self.template_options.description = "Task-failure rule, alarms and dashboard"
        environment = settings.load(sceptre_user_data)
        self._names = GivenNames(environment.project)
        CfnParameter(self, SUFFIX_PARAMETER, allowed_pattern=SUFFIX_PATTERN)
        self._topic = sns.Topic.from_topic_arn(self, "Topic", self._wired(Output.ALARM_TOPIC_ARN))
        failures = self._notice_failed_tasks(environment)
        self._add_alarms(environment, failures)
        self._add_dashboard(environment, failures)

    def _wired(self, name: str) -> str:
        """Take another stack's output as a parameter of the same name."""
        known = self.node.try_find_child(name)
        parameter = known if isinstance(known, CfnParameter) else CfnParameter(self, name)
        return parameter.value_as_string

    def _notice_failed_tasks(self, environment: Settings) -> cloudwatch.Metric:
        """Write every failed task of the cluster to a log group; the rule's own metric counts them.

        Returns:
            How many tasks failed in the alarm's window.
        """
        group = logs.CfnLogGroup(
            self,
            "TaskFailureLogGroup",
            log_group_name=Fn.sub(self._names.failure_log_group()),
            retention_in_days=environment.log_retention_days,
            kms_key_id=self._wired(Output.KEY_ARN),
        )
        rule_name = Fn.sub(self._names.of(FAILURE_RULE))
        rule = events.CfnRule(
            self,
            "TaskFailureRule",
            name=rule_name,
            description="Tasks of this cluster that failed, or never started",
            state="ENABLED",
            event_pattern={
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {
                    "clusterArn": [self._wired(Output.CLUSTER_ARN)],
                    "lastStatus": ["STOPPED"],
                    "$or": [
                        {"containers": {"exitCode": [{"anything-but": 0}]}},
                        {"stopCode": ["TaskFailedToStart"]},
                    ],
                },
            },
            # The group's own Arn ends in `:*`, with which a target is accepted and never reached.
            # https://github.com/aws-samples/serverless-patterns/pull/221
            targets=[
                events.CfnRule.TargetProperty(
                    id="log",
                    arn=Fn.sub(LOG_GROUP_ARN + self._names.failure_log_group()),
                )
            ],
        )
        rule.add_resource_dependency(self._let_rule_write(group))
        return cloudwatch.Metric(
            namespace="AWS/Events",
            # Counted for the rule itself, whether or not its target could be reached.
            metric_name="TriggeredRules",
            dimensions_map={"RuleName": rule.ref},
            statistic="Sum",
            period=Duration.minutes(environment.alarms.task_failure_minutes),
        )

    def _let_rule_write(self, group: logs.CfnLogGroup) -> logs.CfnResourcePolicy:
        # The service that delivers creates streams without naming the rule.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        writers = {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]}
        rule = Fn.sub(RULE_ARN + self._names.of(FAILURE_RULE))
        document = policy.document(
            policy.allow(["logs:CreateLogStream"], [group.attr_arn], principal=writers),
            policy.allow(
                ["logs:PutLogEvents"],
                [group.attr_arn],
                principal=writers,
                condition={"ArnEquals": {"aws:SourceArn": rule}},
            ),
        )
        return logs.CfnResourcePolicy(
            self,
            "TaskFailureLogPolicy",
            policy_name=Fn.sub(self._names.of(FAILURE_RULE)),
            policy_document=self.to_json_string(document),
        )

    def _add_alarms(self, environment: Settings, failures: cloudwatch.Metric) -> None:
        limits = environment.alarms
        self._alarm(
            "TaskFailureAlarm",
            FAILURE_RULE,
            failures,
            threshold=limits.task_failures,
            description=(
                f"More than {limits.task_failures} tasks failed in "
                f"{limits.task_failure_minutes} minutes; the reasons stand in the log group."
            ),
        )
        for stage in environment.stages:
            self._alarm(
                f"{stage.logical_id}DeadLetterAlarm",
                f"{stage.name}-dead-letter",
                self._queue_metric(
                    stage,
                    StageOutput.DEAD_LETTER_QUEUE_NAME,
                    "ApproximateNumberOfMessagesVisible",
                ),
                threshold=0,
                description=f"{stage.name} gave up on an object; look at it and redrive.",
            )
            self._alarm(
                f"{stage.logical_id}QueueAgeAlarm",
                f"{stage.name}-queue-age",
                self._queue_metric(stage, StageOutput.QUEUE_NAME, "ApproximateAgeOfOldestMessage"),
                threshold=limits.queue_age_minutes * 60,
                description=(
                    f"An object has waited for {stage.name} for more than "
                    f"{limits.queue_age_minutes} minutes; is its service running?"
                ),
            )

    def _alarm(
        self,
        construct: str,
        name: str,
        metric: cloudwatch.Metric,
        *,
        threshold: float,
        description: str,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct,
            alarm_name=Fn.sub(self._names.of(name)),
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _queue_metric(
        self, stage: Stage, queue: StageOutput, metric_name: str
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SQS",
            metric_name=metric_name,
            dimensions_map={"QueueName": self._wired(queue.of(stage.name))},
            statistic="Maximum",
            period=Duration.minutes(1),
        )

    def _add_dashboard(self, environment: Settings, failures: cloudwatch.Metric) -> None:
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=Fn.sub(self._names.cluster()),
            default_interval=Duration.hours(12),
        )
        dashboard.add_widgets(
            cloudwatch.GraphWidget(title="Failed tasks", left=[failures], width=8),
            cloudwatch.LogQueryWidget(
                title="Why they failed",
                log_group_names=[Fn.sub(self._names.failure_log_group())],
                query_lines=[
                    "fields @timestamp, detail.group, detail.stopCode, detail.stoppedReason",
                    "sort @timestamp desc",
                    "limit 20",
                ],
                width=16,
            ),
        )
        for stage in environment.stages:
            dashboard.add_widgets(*self._stage_widgets(stage))

    def _stage_widgets(self, stage: Stage) -> list[cloudwatch.IWidget]:
        rule = {"RuleName": Fn.sub(self._names.of(stage.name))}
        service = {
            "ClusterName": self._wired(Output.CLUSTER_NAME),
            "ServiceName": Fn.sub(self._names.service(stage.name)),
        }
        return [
            cloudwatch.GraphWidget(
                title=f"{stage.name}: events",
                left=[
                    cloudwatch.Metric(
                        namespace="AWS/Events",
                        metric_name=metric,
                        dimensions_map=rule,
                        statistic="Sum",
                    )
                    for metric in ("Invocations", "FailedInvocations", "InvocationsSentToDlq")
                ],
                width=6,
            ),
            cloudwatch.GraphWidget(
                title=f"{stage.name}: waiting, and given up",
                left=[
                    self._queue_metric(stage, queue, "ApproximateNumberOfMessagesVisible")
                    for queue in (StageOutput.QUEUE_NAME, StageOutput.DEAD_LETTER_QUEUE_NAME)
                ],
                right=[
                    self._queue_metric(
                        stage, StageOutput.QUEUE_NAME, "ApproximateAgeOfOldestMessage"
                    )
                ],
                width=6,
            ),
            cloudwatch.GraphWidget(
                title=f"{stage.name}: service",
                left=[
                    cloudwatch.Metric(
                        namespace="AWS/ECS", metric_name=metric, dimensions_map=service
                    )
                    for metric in ("CPUUtilization", "MemoryUtilization")
                ],
                width=6,
            ),
            cloudwatch.LogQueryWidget(
                title=f"{stage.name}: errors",
                log_group_names=[self._wired(StageOutput.LOG_GROUP_NAME.of(stage.name))],
                query_lines=[
                    "fields @timestamp, run_id, message",
                    "filter level in ['error', 'critical']",
                    "sort @timestamp desc",
                    "limit 20",
                ],
                width=6,
            ),
        ]
