"""What the operator sees: failed tasks, alarms and a dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import CfnParameter, Duration, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from batchkit.metrics import Metric
from sceptre_cdk_handler import SceptreCdkStack

from fargate_batch import settings
from fargate_batch.names import (
    RECONCILE,
    SUFFIX_PARAMETER,
    SUFFIX_PATTERN,
    TASK_FAILURES,
    TASK_INTERRUPTIONS,
    GivenNames,
    Output,
    StageOutput,
)
from fargate_batch.template import policy
from fargate_batch.template.dashboard import Widgets
from fargate_batch.template.failures import failed_tasks, interrupted_tasks
from fargate_batch.template.metric_names import OLDEST, WAITING
from fargate_batch.template.metrics import Metrics
from fargate_batch.template.parts import arn

if TYPE_CHECKING:
    from constructs import Construct

    from fargate_batch.settings import Settings

# So many of its periods in a row without a sign of life.
RECONCILES_MISSED = 3


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
        suffix = CfnParameter(self, SUFFIX_PARAMETER, allowed_pattern=SUFFIX_PATTERN)
        self._metrics = Metrics(suffix.value_as_string, self._wired)
        self._topic = sns.Topic.from_topic_arn(self, "Topic", self._wired(Output.ALARM_TOPIC_ARN))
        failures = self._notice_failed_tasks(environment)
        self._alarm_on_failures(environment, failures)
        self._alarm_on_queues(environment)
        self._alarm_on_runs(environment)
        self._alarm_on_reconcile(environment)
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=Fn.sub(self._names.cluster()),
            default_interval=Duration.hours(12),
        )
        for row in Widgets(environment, self._names, self._metrics).rows(failures):
            dashboard.add_widgets(*row)

    def _wired(self, name: str) -> str:
        """Take another stack's output as a parameter of the same name."""
        known = self.node.try_find_child(name)
        parameter = known if isinstance(known, CfnParameter) else CfnParameter(self, name)
        return parameter.value_as_string

    def _notice_failed_tasks(self, environment: Settings) -> cloudwatch.Metric:
        """Write every failed or interrupted task of the cluster to a log group, by a rule for each.

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
        cluster = self._wired(Output.CLUSTER_ARN)
        let_write = self._let_rules_write(group)
        failed = self._log_tasks(
            "TaskFailureRule",
            TASK_FAILURES,
            "Tasks of this cluster that failed, or never started",
            failed_tasks(cluster),
        )
        interrupted = self._log_tasks(
            "TaskInterruptionRule",
            TASK_INTERRUPTIONS,
            "Tasks of this cluster that Spot took before they had finished",
            interrupted_tasks(cluster),
        )
        for rule in (failed, interrupted):
            rule.add_resource_dependency(let_write)
        # Counted for the rule itself, whether or not its target could be reached.
        return self._metrics.rule(
            failed.ref, "TriggeredRules", minutes=environment.alarms.task_failure_minutes
        )

    def _log_tasks(
        self, construct: str, name: str, description: str, pattern: dict[str, Any]
    ) -> events.CfnRule:
        return events.CfnRule(
            self,
            construct,
            name=Fn.sub(self._names.of(name)),
            description=description,
            state="ENABLED",
            event_pattern=pattern,
            # The group's own Arn ends in `:*`, with which a target is accepted and never reached.
            # https://github.com/aws-samples/serverless-patterns/pull/221
            targets=[
                events.CfnRule.TargetProperty(
                    id="log",
                    arn=Fn.sub(arn("logs", f"log-group:{self._names.failure_log_group()}")),
                )
            ],
        )

    def _let_rules_write(self, group: logs.CfnLogGroup) -> logs.CfnResourcePolicy:
        # The service that delivers creates streams without naming the rule.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        writers = {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]}
        rules = [
            Fn.sub(arn("events", f"rule/{self._names.of(name)}"))
            for name in (TASK_FAILURES, TASK_INTERRUPTIONS)
        ]
        document = policy.document(
            policy.allow(["logs:CreateLogStream"], [group.attr_arn], principal=writers),
            policy.allow(
                ["logs:PutLogEvents"],
                [group.attr_arn],
                principal=writers,
                condition={"ArnEquals": {"aws:SourceArn": rules}},
            ),
        )
        return logs.CfnResourcePolicy(
            self,
            "TaskFailureLogPolicy",
            policy_name=Fn.sub(self._names.of(TASK_FAILURES)),
            policy_document=self.to_json_string(document),
        )

    def _alarm_on_failures(self, environment: Settings, failures: cloudwatch.Metric) -> None:
        limits = environment.alarms
        self._alarm(
            "TaskFailureAlarm",
            TASK_FAILURES,
            failures,
            threshold=limits.task_failures,
            description=(
                f"More than {limits.task_failures} tasks failed in "
                f"{limits.task_failure_minutes} minutes; the reasons stand in the log group."
            ),
        )

    def _alarm_on_queues(self, environment: Settings) -> None:
        limits = environment.alarms
        for stage in environment.stages:
            self._alarm(
                f"{stage.logical_id}DeadLetterAlarm",
                f"{stage.name}-dead-letter",
                self._metrics.queue(stage.name, WAITING, StageOutput.DEAD_LETTER_QUEUE_NAME),
                threshold=0,
                description=f"{stage.name} gave up on an object; look at it and redrive.",
            )
            self._alarm(
                f"{stage.logical_id}QueueAgeAlarm",
                f"{stage.name}-queue-age",
                self._metrics.queue(stage.name, OLDEST),
                threshold=limits.queue_age_minutes * 60,
                description=(
                    f"An object has waited for {stage.name} for more than "
                    f"{limits.queue_age_minutes} minutes; is its service running?"
                ),
            )

    def _alarm_on_runs(self, environment: Settings) -> None:
        limits = environment.alarms
        self._alarm(
            "OverdueRunsAlarm",
            "overdue-runs",
            self._metrics.own(
                Metric.OVERDUE_RUNS,
                minutes=environment.reconcile.every_minutes,
                statistic="Maximum",
            ),
            threshold=0,
            description=(
                f"A run has been open for more than {limits.run_expected_minutes} minutes; "
                "`batch runs` shows which."
            ),
        )
        self._alarm(
            "RejectsAlarm",
            "rejects",
            self._metrics.own(Metric.RUNS_REJECTED, minutes=limits.reject_minutes),
            threshold=limits.rejects,
            description=(
                f"More than {limits.rejects} inputs were rejected in {limits.reject_minutes} "
                "minutes; `batch runs` shows the reasons."
            ),
        )

    def _alarm_on_reconcile(self, environment: Settings) -> None:
        """Raise an alarm when reconcile writes no metric, whatever keeps it from that.

        Until it has run once there is none either, so a new environment begins with this alarm.
        """
        every = environment.reconcile.every_minutes
        self._alarm(
            "ReconcileAlarm",
            RECONCILE,
            self._metrics.own(Metric.OVERDUE_RUNS, minutes=every, statistic="SampleCount"),
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=RECONCILES_MISSED,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            description=(
                f"Reconcile has not ended well for {RECONCILES_MISSED * every} minutes, so what "
                "gets lost stays lost; its log group says why."
            ),
        )

    def _alarm(
        self,
        construct: str,
        name: str,
        metric: cloudwatch.Metric,
        *,
        description: str,
        **condition: Any,
    ) -> None:
        """Add an alarm on the topic: when one period is above the threshold, unless told else."""
        usual = {
            "evaluation_periods": 1,
            "comparison_operator": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            "treat_missing_data": cloudwatch.TreatMissingData.NOT_BREACHING,
        }
        alarm = cloudwatch.Alarm(
            self,
            construct,
            alarm_name=Fn.sub(self._names.of(name)),
            alarm_description=description,
            metric=metric,
            **{**usual, **condition},
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
