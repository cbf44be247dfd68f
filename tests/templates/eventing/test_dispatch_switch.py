"""Switching a stage's dispatch, on a local AWS: what CloudFormation makes of the change."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import StackPath
from fargate_batch.settings import Dispatch
from local.testing import local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.testing import LocalAws
    from tests.templates.conftest import RenderChanged

STAGE = "risk-calculation"
RULES = [
    *(f"fargate-batch-{stage}{kind}-dev" for kind in ("", "-retry")
      for stage in ("data-ingestion", "risk-calculation", "report-generation")),
    "fargate-batch-reconcile-dev",
]  # fmt: skip
CLUSTER = "arn:aws:ecs:eu-west-1:000000000000:cluster/fargate-batch-dev"
QUEUE = "arn:aws:sqs:eu-west-1:000000000000:fargate-batch-risk-calculation-dev"


class Stack:
    """The pipeline's stack, launched with either dispatch."""

    def __init__(self, aws: LocalAws, render: RenderChanged) -> None:
        self._cloudformation = aws.client("cloudformation")
        self.events = aws.client("events")
        self.iam = aws.client("iam")
        self._render = render
        self._dispatch: Dispatch | None = None

    def launch(self, dispatch: Dispatch) -> None:
        if dispatch is self._dispatch:
            return

        def switch(data: dict[str, Any]) -> None:
            data["stage_settings"][STAGE]["dispatch"] = dispatch.value

        rendered = self._render("dev", StackPath.PIPELINE, switch)
        values = {"ClusterArn": CLUSTER, "RiskCalculationQueueArn": QUEUE}
        request: Any = {
            "StackName": "pipeline",
            "TemplateBody": rendered.body,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Parameters": [
                {
                    "ParameterKey": name,
                    "ParameterValue": "dev"
                    if name == "EnvironmentSuffix"
                    else values.get(name, f"value-of-{name}"),
                }
                for name in rendered.template["Parameters"]
            ],
        }
        if self._dispatch is None:
            self._cloudformation.create_stack(**request)
        else:
            self._cloudformation.update_stack(**request)
        self._wait("CREATE_COMPLETE" if self._dispatch is None else "UPDATE_COMPLETE")
        self._dispatch = dispatch

    def targets(self, rule: str) -> list[dict[str, Any]]:
        found: Any = self.events.list_targets_by_rule(Rule=rule)["Targets"]
        return list(found)

    def _wait(self, wanted: str) -> None:
        deadline = time.monotonic() + 20
        status = ""
        while time.monotonic() < deadline and not status.endswith("_COMPLETE"):
            (stack,) = self._cloudformation.describe_stacks(StackName="pipeline")["Stacks"]
            status = stack["StackStatus"]
            time.sleep(0.05)
        assert status == wanted


@pytest.fixture(scope="module")
def stack(render_changed: RenderChanged) -> Iterator[Stack]:
    with local_aws(use_engine=False) as aws:
        yield Stack(aws, render_changed)


@pytest.mark.parametrize(
    ("before", "dispatch", "expected"),
    [(Dispatch.TASK, Dispatch.QUEUE, QUEUE), (Dispatch.QUEUE, Dispatch.TASK, CLUSTER)],
)
def test_one_target_takes_the_others_place_and_nothing_else_is_left(
    stack: Stack, before: Dispatch, dispatch: Dispatch, expected: str
) -> None:
    stack.launch(before)
    stack.launch(dispatch)
    (target,) = stack.targets(f"fargate-batch-{STAGE}-dev")
    assert target["Arn"] == expected
    # What only the other kind of target has must not stay behind.
    assert ("EcsParameters" in target) is (dispatch is Dispatch.TASK)
    assert ("InputTransformer" in target) is (dispatch is Dispatch.TASK)
    rules = [rule["Name"] for rule in stack.events.list_rules()["Rules"]]
    assert sorted(rules) == sorted(RULES)
    assert all(len(stack.targets(rule)) == 1 for rule in rules)


@pytest.mark.parametrize("dispatch", list(Dispatch))
def test_eventbridge_may_run_a_stage_only_while_its_rule_does(
    stack: Stack, dispatch: Dispatch
) -> None:
    stack.launch(dispatch)
    role = next(
        role["RoleName"]
        for role in stack.iam.list_roles()["Roles"]
        if role["RoleName"].startswith("fargate-batch-events-")
    )
    policy = stack.iam.get_role_policy(RoleName=role, PolicyName="run-tasks")["PolicyDocument"]
    mentioned = "value-of-RiskCalculationTaskFamily" in json.dumps(policy)
    assert mentioned is (dispatch is Dispatch.TASK)


def task_event(**detail: Any) -> str:
    return json.dumps(
        {
            "id": "1",
            "account": "000000000000",
            "source": "aws.ecs",
            "time": "2026-01-30T00:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "detail-type": "ECS Task State Change",
            "detail": {
                "clusterArn": CLUSTER,
                "group": "family:value-of-RiskCalculationTaskFamily",
                "lastStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "containers": [{"name": STAGE, "exitCode": 1}],
                **detail,
            },
        }
    )


NEVER_STARTED = {"stopCode": "TaskFailedToStart", "containers": [{"name": STAGE}]}


@pytest.mark.parametrize(
    ("event", "retried"),
    [
        (task_event(), True),
        (task_event(stopCode="SpotInterruption", containers=[{"exitCode": 143}]), True),
        (task_event(**NEVER_STARTED), True),
        (task_event(stopCode="SpotInterruption", containers=[{"name": STAGE}]), True),
        (task_event(containers=[{"name": STAGE, "exitCode": 0}]), False),
        (task_event(lastStatus="RUNNING"), False),
        (task_event(group="family:value-of-DataIngestionTaskFamily"), False),
        (task_event(group="service:risk-calculation-dev"), False),
        (task_event(clusterArn=CLUSTER + "2"), False),
    ],
    ids=[
        "failed",
        "stopped by Spot",
        "never started",
        "lost without an exit code",
        "ended well",
        "still running",
        "another stage's",
        "the service's",
        "another cluster's",
    ],
)
def test_retry_rule_hears_of_this_stages_unfinished_tasks_only(
    stack: Stack,
    event: str,
    retried: bool,  # noqa: FBT001  # a table
) -> None:
    stack.launch(Dispatch.QUEUE)
    pattern = stack.events.describe_rule(Name=f"fargate-batch-{STAGE}-retry-dev")["EventPattern"]
    assert stack.events.test_event_pattern(EventPattern=pattern, Event=event)["Result"] is retried
