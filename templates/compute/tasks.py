"""For each stage, and for reconcile, the task definition and the two roles that it runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchkit.variables import Variable

from fargate_batch import prices
from fargate_batch.names import GivenNames, StageOutput
from fargate_batch.template.parts import new_template, rendered, wired
from fargate_batch.template.reconcile import reconcile_task
from fargate_batch.template.stage_access import execution_statements, task_statements
from fargate_batch.template.task_definition import Task, add_task, every_tasks_variables

if TYPE_CHECKING:
    from troposphere import Template

    from fargate_batch.settings import Capacity, Settings, Stage


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The execution roles, task roles and task definitions."""
    names = GivenNames(environment.project)
    template = new_template("Task definitions of the stages and of reconcile, and their roles")
    for stage in environment.stages:
        add_task(template, _stage_task(template, stage, environment.capacity), names)
    add_task(template, reconcile_task(template, environment), names)
    return template


def _stage_task(template: Template, stage: Stage, capacity: Capacity) -> Task:
    price = prices.expected_task_price_per_hour(
        stage.cpu, stage.memory, spot_share=capacity.spot_share
    )
    return Task(
        name=stage.name,
        image_of=stage.name,
        cpu=stage.cpu,
        memory=stage.memory,
        environment={
            **stage.environment,
            **every_tasks_variables(template, stage.name),
            Variable.QUEUE_URL: wired(template, StageOutput.QUEUE_URL.of(stage.name)),
            Variable.DEAD_LETTER_QUEUE_URL: wired(
                template, StageOutput.DEAD_LETTER_QUEUE_URL.of(stage.name)
            ),
            Variable.TASK_PRICE_PER_HOUR: f"{price:.6f}",
        },
        execution=execution_statements(template, stage.name, image_of=stage.name),
        permissions=task_statements(template, stage),
    )
