from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batchkit.variables import Variable

from fargate_batch.names import Output, StackPath, StageOutput

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Stage
    from tests.templates.conftest import Render, Rendered


@pytest.fixture
def tasks(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.TASKS)


def container(tasks: Rendered, stage: Stage) -> dict[str, Any]:
    definition = tasks.properties(f"{stage.logical_id}TaskDefinition")
    (only,) = definition["ContainerDefinitions"]
    assert isinstance(only, dict)
    return only


def statements(tasks: Rendered, stage: Stage, kind: str) -> list[dict[str, Any]]:
    (policy,) = tasks.properties(f"{stage.logical_id}{kind}Role")["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert isinstance(found, list)
    return found


def granting(tasks: Rendered, stage: Stage, action: str, kind: str = "Task") -> dict[str, Any]:
    (found,) = [one for one in statements(tasks, stage, kind) if action in one["Action"]]
    return found


@pytest.mark.parametrize(
    ("stage", "cpu", "memory"),
    [
        ("DataIngestion", "1024", "2048"),
        ("RiskCalculation", "2048", "4096"),
        ("ReportGeneration", "512", "1024"),
    ],
)
def test_each_stage_has_its_size(tasks: Rendered, stage: str, cpu: str, memory: str) -> None:
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
    for stage in settings.stages:
        confined = container(tasks, stage)
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
    for stage in settings.stages:
        (mount,) = container(tasks, stage)["MountPoints"]
        (volume,) = tasks.properties(f"{stage.logical_id}TaskDefinition")["Volumes"]
        assert mount == {
            "ContainerPath": "/tmp",  # noqa: S108  # inside the container
            "ReadOnly": False,
            "SourceVolume": volume["Name"],
        }


def test_container_is_watched_and_given_time_to_stop(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        watched = container(tasks, stage)
        assert watched["StopTimeout"] == 120
        check = watched["HealthCheck"]
        assert check["Command"] == ["CMD", "python3", "-m", "batchkit.health"]
        # ECS takes 2 to 60 s for the timeout, and it must be shorter than the interval.
        assert 2 <= check["Timeout"] < check["Interval"]


def test_image_and_command_come_from_the_registry(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        started = container(tasks, stage)
        assert started["Name"] == stage.name
        assert started["Image"] == {"Ref": StageOutput.IMAGE_URI.of(stage.name)}
        assert not {"Command", "EntryPoint"} & set(started)


def test_log_goes_to_the_stages_own_group(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        log = container(tasks, stage)["LogConfiguration"]
        assert log["LogDriver"] == "awslogs"
        assert log["Options"]["awslogs-group"] == {"Ref": StageOutput.LOG_GROUP_NAME.of(stage.name)}


def test_container_learns_where_everything_is(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        names = {one["Name"]: one["Value"] for one in container(tasks, stage)["Environment"]}
        assert names[Variable.STAGE] == stage.name
        assert names[Variable.QUEUE_URL] == {"Ref": StageOutput.QUEUE_URL.of(stage.name)}
        assert {*names} == {
            Variable.STAGE,
            Variable.ENVIRONMENT,
            Variable.INPUT_BUCKET,
            Variable.OUTPUT_BUCKET,
            Variable.LEDGER_TABLE,
            Variable.QUEUE_URL,
            *stage.environment,
        }


def test_roles_are_for_tasks_of_this_account_only(tasks: Rendered) -> None:
    roles = tasks.of_type("AWS::IAM::Role")
    assert len(roles) == 6
    for role in roles.values():
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert trusted["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_execution_role_pulls_logs_and_decrypts_and_no_more(
    tasks: Rendered, settings: Settings
) -> None:
    for stage in settings.stages:
        actions = {
            action for one in statements(tasks, stage, "Execution") for action in one["Action"]
        }
        assert actions == {
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "kms:Decrypt",
        }
        pull = granting(tasks, stage, "ecr:BatchGetImage", "Execution")
        assert pull["Resource"] == [{"Ref": StageOutput.REPOSITORY_ARN.of(stage.name)}]
        log = granting(tasks, stage, "logs:PutLogEvents", "Execution")
        assert log["Resource"] == [{"Ref": StageOutput.LOG_GROUP_ARN.of(stage.name)}]


def test_stage_writes_below_its_own_prefixes_only(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        written = granting(tasks, stage, "s3:PutObject")["Resource"]
        assert written == [
            {"Fn::Join": ["/", [{"Ref": Output.OUTPUT_BUCKET_ARN}, pattern]]}
            for pattern in stage.writes.output
        ]


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
            one for one in statements(tasks, stage, "Task") if "s3:ListBucket" in one["Action"]
        ]
        prefixes = [one["Condition"]["StringLikeIfExists"]["s3:prefix"] for one in listings]
        reads = [[*stage.reads.input], [*stage.reads.output]]
        assert prefixes == [patterns for patterns in reads if patterns]


def test_stage_works_its_own_queue_and_the_ledger(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        queue = granting(tasks, stage, "sqs:ReceiveMessage")["Resource"]
        assert queue == [{"Ref": StageOutput.QUEUE_ARN.of(stage.name)}]
        table = granting(tasks, stage, "dynamodb:UpdateItem")["Resource"]
        assert table == [{"Ref": Output.LEDGER_TABLE_ARN}]


def test_stage_uses_the_key_through_s3_and_sqs_only(tasks: Rendered, settings: Settings) -> None:
    for stage in settings.stages:
        key = granting(tasks, stage, "kms:Decrypt")
        assert key["Resource"] == [{"Ref": Output.KEY_ARN}]
        services = key["Condition"]["StringEquals"]["kms:ViaService"]
        assert [service["Fn::Sub"].split(".")[0] for service in services] == ["s3", "sqs"]


def test_each_stages_definition_and_roles_are_given_away(
    tasks: Rendered, settings: Settings
) -> None:
    assert set(tasks.outputs) == {
        output.of(stage.name)
        for stage in settings.stages
        for output in (
            StageOutput.EXECUTION_ROLE_ARN,
            StageOutput.TASK_ROLE_ARN,
            StageOutput.TASK_DEFINITION_ARN,
            StageOutput.TASK_FAMILY,
        )
    }
