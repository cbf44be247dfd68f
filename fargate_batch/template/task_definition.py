"""A confined Fargate task: its two roles, its definition, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchkit.variables import Variable
from troposphere import GetAtt, Ref, Sub, ecs, iam

from fargate_batch.names import SUFFIX_PARAMETER, Output, StageOutput, logical_id
from fargate_batch.template import policy
from fargate_batch.template.parts import arn, give, wired

if TYPE_CHECKING:
    from troposphere import Template

    from fargate_batch.names import GivenNames

SCRATCH: Final = "scratch"
SCRATCH_PATH: Final = "/tmp"  # noqa: S108  # inside the container
# The stage images' user; it owns nothing on the root file system, which is read-only anyway.
USER: Final = "10001:10001"


@dataclass(frozen=True)
class Task:
    """What tells one task from another."""

    name: str
    image_of: str
    """The stage whose image it runs."""
    cpu: int
    memory: int
    """MiB."""
    environment: dict[str, Any]
    execution: list[policy.Statement]
    """What Fargate may do on its behalf."""
    permissions: list[policy.Statement]
    """What its code may do."""
    command: tuple[str, ...] = ()
    """Instead of the image's own."""
    health_check: bool = True
    """Whether ECS asks the container for its health."""


def add_task(template: Template, task: Task, names: GivenNames) -> None:
    """Add the task's roles and definition, and give their names away."""
    execution = _add_role(
        template, task, "execution", names.execution_role(task.name), task.execution
    )
    role = _add_role(template, task, "task", names.task_role(task.name), task.permissions)
    definition = template.add_resource(
        ecs.TaskDefinition(
            f"{logical_id(task.name)}TaskDefinition",
            Family=Sub(names.of(task.name)),
            RequiresCompatibilities=["FARGATE"],
            NetworkMode="awsvpc",
            RuntimePlatform=ecs.RuntimePlatform(
                CpuArchitecture="X86_64", OperatingSystemFamily="LINUX"
            ),
            Cpu=str(task.cpu),
            Memory=str(task.memory),
            ExecutionRoleArn=GetAtt(execution, "Arn"),
            TaskRoleArn=GetAtt(role, "Arn"),
            Volumes=[ecs.Volume(Name=SCRATCH)],
            ContainerDefinitions=[_container(template, task)],
        )
    )
    give(template, StageOutput.EXECUTION_ROLE_ARN.of(task.name), GetAtt(execution, "Arn"))
    give(template, StageOutput.TASK_ROLE_ARN.of(task.name), GetAtt(role, "Arn"))
    give(template, StageOutput.TASK_DEFINITION_ARN.of(task.name), Ref(definition))
    give(template, StageOutput.TASK_FAMILY.of(task.name), Sub(names.of(task.name)))


def every_tasks_variables(template: Template, task: str) -> dict[str, Any]:
    """What each task is told: its name, and where the environment keeps its work."""
    return {
        Variable.STAGE: task,
        Variable.ENVIRONMENT: Ref(SUFFIX_PARAMETER),
        Variable.INPUT_BUCKET: wired(template, Output.INPUT_BUCKET_NAME),
        Variable.OUTPUT_BUCKET: wired(template, Output.OUTPUT_BUCKET_NAME),
        Variable.LEDGER_TABLE: wired(template, Output.LEDGER_TABLE_NAME),
    }


def _add_role(
    template: Template,
    task: Task,
    kind: str,
    name: str,
    statements: list[policy.Statement],
) -> iam.Role:
    return template.add_resource(
        iam.Role(
            f"{logical_id(task.name)}{kind.capitalize()}Role",
            RoleName=Sub(name),
            AssumeRolePolicyDocument=policy.trust(
                "ecs-tasks.amazonaws.com", source_arn=arn("ecs", "*")
            ),
            Policies=[
                iam.Policy(
                    PolicyName=f"{task.name}-{kind}",
                    PolicyDocument=policy.document(*statements),
                )
            ],
        )
    )


def _container(template: Template, task: Task) -> ecs.ContainerDefinition:
    own: dict[str, Any] = {}
    if task.command:
        own["Command"] = [*task.command]
    if task.health_check:
        own["HealthCheck"] = ecs.HealthCheck(
            Command=["CMD", "python3", "-m", "batchkit.health"],
            Interval=30,
            Timeout=5,
            Retries=3,
            StartPeriod=60,
        )
    return ecs.ContainerDefinition(
        Name=task.name,
        Image=wired(template, StageOutput.IMAGE_URI.of(task.image_of)),
        Essential=True,
        Environment=[
            ecs.Environment(Name=name, Value=value) for name, value in task.environment.items()
        ],
        User=USER,
        ReadonlyRootFilesystem=True,
        MountPoints=[
            # The one place that a task may write to.
            ecs.MountPoint(SourceVolume=SCRATCH, ContainerPath=SCRATCH_PATH, ReadOnly=False)
        ],
        LinuxParameters=ecs.LinuxParameters(
            InitProcessEnabled=True, Capabilities=ecs.KernelCapabilities(Drop=["ALL"])
        ),
        # Fargate's longest, and the notice that Spot gives.
        StopTimeout=120,
        LogConfiguration=ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                "awslogs-group": wired(template, StageOutput.LOG_GROUP_NAME.of(task.name)),
                "awslogs-region": Ref("AWS::Region"),
                "awslogs-stream-prefix": "task",
                # Work does not stop because its log cannot be written; what waits beyond this
                # buffer is lost. Without a word of ours the account's default would decide.
                # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        ),
        **own,
    )
