"""What the operator's dashboard shows, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from batchkit.metrics import Metric

from fargate_batch.names import RECONCILE, StageOutput
from fargate_batch.template.metric_names import OLDEST, WAITING

if TYPE_CHECKING:
    from fargate_batch.names import GivenNames
    from fargate_batch.settings import Settings, Stage
    from fargate_batch.template.metrics import Metrics

# A dashboard is 24 units wide.
HALF: Final = 12
QUARTER: Final = 6
HOUR: Final = 60


@dataclass(frozen=True)
class Widgets:
    """Makes the widgets of one environment."""

    settings: Settings
    names: GivenNames
    metrics: Metrics

    def rows(self, failures: cloudwatch.IMetric) -> list[list[cloudwatch.IWidget]]:
        """All rows: the runs, the work, what went wrong, and each stage."""
        return [
            self._runs(),
            self._work(),
            self._trouble(failures),
            *(self._stage(stage) for stage in self.settings.stages),
        ]

    def _runs(self) -> list[cloudwatch.IWidget]:
        own = self.metrics.own
        ended = (Metric.RUNS_REPORTED, Metric.RUNS_REJECTED, Metric.RUNS_DEAD_LETTERED)
        return [
            cloudwatch.GraphWidget(
                title="Runs that ended, an hour",
                left=[own(name, minutes=HOUR) for name in ended],
                width=QUARTER,
            ),
            cloudwatch.GraphWidget(
                title="Rows read, an hour", left=[own(Metric.ROWS_IN, minutes=HOUR)], width=QUARTER
            ),
            cloudwatch.GraphWidget(
                title="Open runs: overdue, and seconds of the oldest",
                left=[own(Metric.OVERDUE_RUNS, minutes=5, statistic="Maximum")],
                right=[own(Metric.OLDEST_OPEN_RUN_SECONDS, minutes=5, statistic="Maximum")],
                width=QUARTER,
            ),
            cloudwatch.GraphWidget(
                title="Cost of tasks, and of a run, USD an hour",
                left=[own(Metric.COST_USD, minutes=HOUR)],
                right=[
                    cloudwatch.MathExpression(
                        expression="cost / runs",
                        label="Cost a run",
                        period=Duration.minutes(HOUR),
                        using_metrics={
                            "cost": own(Metric.COST_USD, minutes=HOUR),
                            "runs": own(Metric.RUNS_REPORTED, minutes=HOUR),
                        },
                    )
                ],
                width=QUARTER,
            ),
        ]

    def _work(self) -> list[cloudwatch.IWidget]:
        stages = self.settings.stages
        backlog = cloudwatch.GraphWidget(
            title="Backlog: waiting messages",
            left=[self.metrics.queue(stage.name, WAITING) for stage in stages],
            width=HALF,
        )
        if not self.settings.counts_tasks:
            return [backlog]
        counted = [
            self.metrics.tasks_of_service(Fn.sub(self.names.service(stage.name)))
            for stage in stages
        ]
        return [
            backlog,
            cloudwatch.GraphWidget(
                title="Tasks: the services', and all",
                left=[*counted, self.metrics.tasks()],
                width=HALF,
            ),
        ]

    def _trouble(self, failures: cloudwatch.IMetric) -> list[cloudwatch.IWidget]:
        dead = StageOutput.DEAD_LETTER_QUEUE_NAME
        return [
            cloudwatch.GraphWidget(
                title="Dead letters",
                left=[
                    self.metrics.queue(stage.name, WAITING, dead) for stage in self.settings.stages
                ],
                width=QUARTER,
            ),
            cloudwatch.GraphWidget(title="Failed tasks", left=[failures], width=QUARTER),
            cloudwatch.LogQueryWidget(
                title="Why they failed",
                log_group_names=[Fn.sub(self.names.failure_log_group())],
                query_lines=[
                    "fields @timestamp, detail.group, detail.stopCode, detail.stoppedReason",
                    "sort @timestamp desc",
                    "limit 20",
                ],
                width=QUARTER,
            ),
            self._errors(RECONCILE),
        ]

    def _stage(self, stage: Stage) -> list[cloudwatch.IWidget]:
        rule, service = Fn.sub(self.names.of(stage.name)), Fn.sub(self.names.service(stage.name))
        delivered = ("Invocations", "FailedInvocations", "InvocationsSentToDlq")
        return [
            cloudwatch.GraphWidget(
                title=f"{stage.name}: events, and tasks to retry",
                left=[
                    *(self.metrics.rule(rule, metric) for metric in delivered),
                    self.metrics.rule(Fn.sub(self.names.retry_rule(stage.name)), "TriggeredRules"),
                ],
                width=QUARTER,
            ),
            cloudwatch.GraphWidget(
                title=f"{stage.name}: waiting, and for how long",
                left=[self.metrics.queue(stage.name, WAITING)],
                right=[self.metrics.queue(stage.name, OLDEST)],
                width=QUARTER,
            ),
            cloudwatch.GraphWidget(
                title=f"{stage.name}: service, and seconds of work",
                left=[
                    self.metrics.service(service, metric)
                    for metric in ("CPUUtilization", "MemoryUtilization")
                ],
                right=[
                    self.metrics.own(
                        Metric.TASK_SECONDS, minutes=5, statistic="Average", stage=stage.name
                    )
                ],
                width=QUARTER,
            ),
            self._errors(stage.name),
        ]

    def _errors(self, task: str) -> cloudwatch.IWidget:
        return cloudwatch.LogQueryWidget(
            title=f"{task}: errors",
            log_group_names=[self.metrics.wired(StageOutput.LOG_GROUP_NAME.of(task))],
            query_lines=[
                "fields @timestamp, run_id, message",
                "filter level in ['error', 'critical']",
                "sort @timestamp desc",
                "limit 20",
            ],
            width=QUARTER,
        )
