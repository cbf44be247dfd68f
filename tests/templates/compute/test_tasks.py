from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.place import read_routes
from batchkit.variables import Variable

from fargate_batch import prices
from fargate_batch.names import RECONCILE, Output, StackPath, StageOutput

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def tasks(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.TASKS)


def container(tasks: Rendered, task: str) -> dict[str, Any]:
    definition = tasks.properties(f"{task}TaskDefinition")
    (only,) = definition["ContainerDefinitions"]
    assert isinstance(only, dict)
    return only


def all_tasks(settings: Settings) -> list[str]:
    """The logical ids of the stages and of reconcile."""
    return [*(stage.logical_id for stage in settings.stages), "Reconcile"]


def variables(tasks: Rendered, task: str) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in container(tasks, task)["Environment"]}


def statements(tasks: Rendered, task: str, kind: str) -> list[dict[str, Any]]:
    (policy,) = tasks.properties(f"{task}{kind}Role")["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert isinstance(found, list)
    return found


def granting(tasks: Rendered, task: str, action: str, kind: str = "Task") -> dict[str, Any]:
    (found,) = [one for one in statements(tasks, task, kind) if action in one["Action"]]
    return found


@pytest.mark.parametrize(
    ("stage", "cpu", "memory"),
    [
        ("DataIngestion", "1024", "2048"),
        ("RiskCalculation", "2048", "4096"),
        ("ReportGeneration", "512", "1024"),
        ("Reconcile", "256", "512"),
    ],
)
def test_each_task_has_its_size(tasks: Rendered, stage: str, cpu: str, memory: str) -> None:
    definition = tasks.properties(f"{stage}TaskDefinition")
    assert (definition["Cpu"], definition["Memory"]) == (cpu, memory)


def test_definitions_are_for_fargate_on_x86(tasks: Rendered) -> None:
    for definition in tasks.of_type("AWS::ECS::TaskDefinition").values():
        assert definition["RequiresCompatibilities"] == ["FARGATE"]
        assert definition["NetworkMode"] == "awsvpc"
        assert definition["RuntimePlatform"] == {
            "CpuArchitecture": "X86_64",
            "OperatingSystemFamily": "LINUX",
        }


def test_container_is_confined(tasks: Rendered, settings: Settings) -> None:
    for task in all_tasks(settings):
        confined = container(tasks, task)
        user, _, group = confined["User"].partition(":")
        assert int(user) >= 10000
        assert int(group) >= 10000
        assert confined["ReadonlyRootFilesystem"] is True
        assert confined["LinuxParameters"] == {
            "InitProcessEnabled": True,
            "Capabilities": {"Drop": ["ALL"]},
        }
        assert "Privileged" not in confined


def test_tmp_is_the_one_place_to_write(tasks: Rendered, settings: Settings) -> None:
    for task in all_tasks(settings):
        (mount,) = container(tasks, task)["MountPoints"]
        (volume,) = tasks.properties(f"{task}TaskDefinition")["Volumes"]
        assert mount == {
            "ContainerPath": "/tmp",  # noqa: S108  # inside the container
            "ReadOnly": False,
            "SourceVolume": volume["Name"],
        }


def test_container_is_given_time_to_stop(tasks: Rendered, settings: Settings) -> None:
    # As long as Spot's notice, and Fargate's longest.
    assert {container(tasks, task)["StopTimeout"] for task in all_tasks(settings)} == {120}


def test_stages_container_is_watched(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        check = container(tasks, stage.logical_id)["HealthCheck"]
        assert check["Command"] == ["CMD", "python3", "-m", "batchkit.health"]
        # ECS takes 2 to 60 s for the timeout, and it must be shorter than the interval.
        assert 2 <= check["Timeout"] < check["Interval"]


def test_image_and_command_come_from_the_registry(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        started = container(tasks, stage.logical_id)
        assert started["Name"] == stage.name
        assert started["Image"] == {"Ref": StageOutput.IMAGE_URI.of(stage.name)}
        assert not {"Command", "EntryPoint"} & set(started)


def test_log_goes_to_the_tasks_own_group(tasks: Rendered, settings: Settings) -> None:
    for task in (*(stage.name for stage in settings.stages), RECONCILE):
        id_ = StageOutput.LOG_GROUP_NAME.of(task).removesuffix("LogGroupName")
        log = container(tasks, id_)["LogConfiguration"]
        assert log["LogDriver"] == "awslogs"
        assert log["Options"]["awslogs-group"] == {"Ref": StageOutput.LOG_GROUP_NAME.of(task)}
        # The account's default may be either, and blocking would let the log stop the work.
        assert log["Options"]["mode"] == "non-blocking"


def test_container_learns_where_everything_is(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        told = variables(tasks, stage.logical_id)
        assert told[Variable.STAGE] == stage.name
        assert told[Variable.QUEUE_URL] == {"Ref": StageOutput.QUEUE_URL.of(stage.name)}
        assert told[Variable.DEAD_LETTER_QUEUE_URL] == {
            "Ref": StageOutput.DEAD_LETTER_QUEUE_URL.of(stage.name)
        }
        assert {*told} == {
            Variable.STAGE,
            Variable.ENVIRONMENT,
            Variable.INPUT_BUCKET,
            Variable.OUTPUT_BUCKET,
            Variable.LEDGER_TABLE,
            Variable.QUEUE_URL,
            Variable.DEAD_LETTER_QUEUE_URL,
            Variable.TASK_PRICE_PER_HOUR,
            *stage.environment,
        }


def test_container_knows_what_it_costs(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        told = float(variables(tasks, stage.logical_id)[Variable.TASK_PRICE_PER_HOUR])
        dearest = prices.task_price_per_hour(stage.cpu, stage.memory)
        cheapest = prices.task_price_per_hour(stage.cpu, stage.memory, spot=True)
        assert cheapest - 1e-6 <= told <= dearest + 1e-6


def test_reconcile_runs_the_first_stages_image_with_its_own_command(
    tasks: Rendered, settings: Settings
) -> None:
    started = container(tasks, "Reconcile")
    assert started["Image"] == {"Ref": StageOutput.IMAGE_URI.of(settings.stages[0].name)}
    assert started["Command"] == ["reconcile"]


def test_reconcile_knows_how_every_stage_gets_its_work(tasks: Rendered, settings: Settings) -> None:
    text = variables(tasks, "Reconcile")[Variable.STAGES]["Fn::Sub"]
    # What CloudFormation puts in is another stack's output.
    routes = read_routes(re.sub(r"\$\{(\w+)\}", r"\1", text))
    assert [
        (route.stage, route.bucket, route.key_pattern, route.queue_url) for route in routes
    ] == [
        (
            stage.name,
            stage.source.bucket,
            stage.source.key_pattern,
            StageOutput.QUEUE_URL.of(stage.name),
        )
        for stage in settings.stages
    ]


def test_reconcile_is_told_its_limits(tasks: Rendered, settings: Settings) -> None:
    told = variables(tasks, "Reconcile")
    assert told[Variable.RECONCILE_LOOKBACK_HOURS] == str(settings.reconcile.lookback_hours)
    assert told[Variable.RUN_EXPECTED_MINUTES] == str(settings.alarms.run_expected_minutes)


def test_reconcile_lists_what_stages_listen_to_and_reads_none_of_it(tasks: Rendered) -> None:
    listings = [
        one
        for one in statements(tasks, "Reconcile", "Task")
        if any(action.startswith("s3:") for action in one["Action"])
    ]
    assert {action for one in listings for action in one["Action"]} == {"s3:ListBucketVersions"}
    assert [(one["Resource"], one["Condition"]["StringLike"]["s3:prefix"]) for one in listings] == [
        ([{"Ref": Output.INPUT_BUCKET_ARN}], ["positions/*"]),
        ([{"Ref": Output.OUTPUT_BUCKET_ARN}], ["runs/*"]),
    ]


def test_reconcile_sends_to_the_stages_queues_and_takes_nothing_from_them(
    tasks: Rendered, settings: Settings
) -> None:
    (sending,) = [
        one
        for one in statements(tasks, "Reconcile", "Task")
        if any(action.startswith("sqs:") for action in one["Action"])
    ]
    assert sending["Action"] == ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    assert sending["Resource"] == [
        {"Ref": StageOutput.QUEUE_ARN.of(stage.name)} for stage in settings.stages
    ]


def test_roles_are_for_tasks_of_this_account_only(tasks: Rendered) -> None:
    roles = tasks.of_type("AWS::IAM::Role")
    assert len(roles) == 8
    for role in roles.values():
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trusted["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_execution_role_pulls_and_logs_and_no_more(tasks: Rendered, settings: Settings) -> None:
    images = {stage.name: stage.name for stage in settings.stages}
    for name, image in {**images, RECONCILE: settings.stages[0].name}.items():
        task = StageOutput.TASK_FAMILY.of(name).removesuffix("TaskFamily")
        actions = {
            action for one in statements(tasks, task, "Execution") for action in one["Action"]
        }
        assert actions == {
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        }
        pull = granting(tasks, task, "ecr:BatchGetImage", "Execution")
        assert pull["Resource"] == [{"Ref": StageOutput.REPOSITORY_ARN.of(image)}]
        log = granting(tasks, task, "logs:PutLogEvents", "Execution")
        assert log["Resource"] == [{"Ref": StageOutput.LOG_GROUP_ARN.of(name)}]


def test_stage_writes_below_its_own_prefixes_only(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        written = granting(tasks, stage.logical_id, "s3:PutObject")["Resource"]
        assert written == [
            {"Fn::Join": ["/", [{"Ref": Output.OUTPUT_BUCKET_ARN}, pattern]]}
            for pattern in stage.writes.output
        ]


def test_stage_finds_what_it_left_half_sent_where_it_writes(
    tasks: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        found = granting(tasks, stage.logical_id, "s3:ListBucketMultipartUploads")
        assert found["Resource"] == [{"Ref": Output.OUTPUT_BUCKET_ARN}]


def test_no_two_stages_write_the_same_objects_but_a_rejection(settings: Settings) -> None:
    written = [
        pattern
        for stage in settings.stages
        for pattern in stage.writes.output
        if not pattern.endswith("/rejected.json")
    ]
    assert len(written) == len(set(written))


def test_no_stage_writes_to_the_input_bucket(settings: Settings) -> None:
    assert all(stage.writes.input == () for stage in settings.stages)


def test_stage_lists_what_it_may_read_only(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        listings = [
            one
            for one in statements(tasks, stage.logical_id, "Task")
            if "s3:ListBucket" in one["Action"]
        ]
        prefixes = [one["Condition"]["StringLikeIfExists"]["s3:prefix"] for one in listings]
        reads = [[*stage.reads.input], [*stage.reads.output]]
        assert prefixes == [patterns for patterns in reads if patterns]


def test_stage_works_its_own_queue_and_the_ledger(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        queue = granting(tasks, stage.logical_id, "sqs:ReceiveMessage")["Resource"]
        assert queue == [{"Ref": StageOutput.QUEUE_ARN.of(stage.name)}]
        dead = granting(tasks, stage.logical_id, "sqs:SendMessage")["Resource"]
        assert dead == [{"Ref": StageOutput.DEAD_LETTER_QUEUE_ARN.of(stage.name)}]
        table = granting(tasks, stage.logical_id, "dynamodb:UpdateItem")["Resource"]
        assert table == [{"Ref": Output.LEDGER_TABLE_ARN}]


def test_stage_uses_the_key_through_s3_and_sqs_only(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        key = granting(tasks, stage.logical_id, "kms:Decrypt")
        assert key["Resource"] == [{"Ref": Output.KEY_ARN}]
        services = key["Condition"]["StringEquals"]["kms:ViaService"]
        assert [service["Fn::Sub"].split(".")[0] for service in services] == ["s3", "sqs"]


def test_each_tasks_definition_and_roles_are_given_away(
    tasks: Rendered, settings: Settings
) -> None:
    assert set(tasks.outputs) == {
        output.of(task)
        for task in (*(stage.name for stage in settings.stages), RECONCILE)
        for output in (
            StageOutput.EXECUTION_ROLE_ARN,
            StageOutput.TASK_ROLE_ARN,
            StageOutput.TASK_DEFINITION_ARN,
            StageOutput.TASK_FAMILY,
        )
    }
