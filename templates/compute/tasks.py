"""For each stage the task definition and the two roles that it runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchkit.variables import Variable
from troposphere import GetAtt, Ref, Sub, Template, ecs, iam

from fargate_batch import settings
from fargate_batch.names import SUFFIX_PARAMETER, GivenNames, Output, StageOutput
from fargate_batch.template import policy
from fargate_batch.template.parts import body, give, new_template, wired
from fargate_batch.template.stage_access import execution_statements, task_statements

if TYPE_CHECKING:
    from fargate_batch.settings import Stage

SCRATCH = "scratch"
SCRATCH_PATH = "/tmp"  # noqa: S108  # inside the container
# The stage images' user; it owns nothing on the root file system, which is read-only anyway.
USER = "10001:10001"
# A role's name has 64 characters at most, so the longer kind is cut.
ROLE_NAMES = {"execution": "exec", "task": "task"}


def sceptre_handler(sceptre_user_data: dict[str, Any]) -> str:
    """Return the template's body.

    Raises:
        UserError: a setting is missing or out of range.
    """
    return body(build(settings.load(sceptre_user_data)))


def build(environment: settings.Settings) -> Template:
    """The stages' execution roles, task roles and task definitions."""
    names = GivenNames(environment.project)
    template = new_template("Task definitions of the stages, and their roles")
    for stage in environment.stages:
        execution = _add_role(
            template, stage, names, "execution", execution_statements(template, stage)
        )
        task = _add_role(template, stage, names, "task", task_statements(template, stage))
        definition = template.add_resource(
            _task_definition(template, stage, names, execution, task)
        )
        give(template, StageOutput.EXECUTION_ROLE_ARN.of(stage.name), GetAtt(execution, "Arn"))
        give(template, StageOutput.TASK_ROLE_ARN.of(stage.name), GetAtt(task, "Arn"))
        give(template, StageOutput.TASK_DEFINITION_ARN.of(stage.name), Ref(definition))
        give(template, StageOutput.TASK_FAMILY.of(stage.name), Sub(names.of(stage.name)))
    return template


def _add_role(
    template: Template,
    stage: Stage,
    names: GivenNames,
    kind: str,
    statements: list[policy.Statement],
) -> iam.Role:
    return template.add_resource(
        iam.Role(
            f"{stage.logical_id}{kind.capitalize()}Role",
            # Roles are the account's, not the region's.
            RoleName=Sub(names.of(f"{stage.name}-{ROLE_NAMES[kind]}-${{AWS::Region}}")),
            AssumeRolePolicyDocument=policy.trust(
                "ecs-tasks.amazonaws.com",
                source_arn="arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*",
            ),
            Policies=[
                iam.Policy(
                    PolicyName=f"{stage.name}-{kind}",
                    PolicyDocument=policy.document(*statements),
                )
            ],
        )
    )


def _task_definition(
    template: Template, stage: Stage, names: GivenNames, execution: iam.Role, task: iam.Role
) -> ecs.TaskDefinition:
    return ecs.TaskDefinition(
        f"{stage.logical_id}TaskDefinition",
        Family=Sub(names.of(stage.name)),
        RequiresCompatibilities=["FARGATE"],
        NetworkMode="awsvpc",
        RuntimePlatform=ecs.RuntimePlatform(
            CpuArchitecture="X86_64", OperatingSystemFamily="LINUX"
        ),
        Cpu=str(stage.cpu),
        Memory=str(stage.memory),
        ExecutionRoleArn=GetAtt(execution, "Arn"),
        TaskRoleArn=GetAtt(task, "Arn"),
        Volumes=[ecs.Volume(Name=SCRATCH)],
        ContainerDefinitions=[_container(template, stage)],
    )


def _container(template: Template, stage: Stage) -> ecs.ContainerDefinition:
    own: dict[str, Any] = {
        Variable.STAGE: stage.name,
        Variable.ENVIRONMENT: Ref(SUFFIX_PARAMETER),
        Variable.INPUT_BUCKET: wired(template, Output.INPUT_BUCKET_NAME),
        Variable.OUTPUT_BUCKET: wired(template, Output.OUTPUT_BUCKET_NAME),
        Variable.LEDGER_TABLE: wired(template, Output.LEDGER_TABLE_NAME),
        Variable.QUEUE_URL: wired(template, StageOutput.QUEUE_URL.of(stage.name)),
    }
    return ecs.ContainerDefinition(
        Name=stage.name,
        Image=wired(template, StageOutput.IMAGE_URI.of(stage.name)),
        Essential=True,
        Environment=[
            ecs.Environment(Name=name, Value=value)
            for name, value in {**stage.environment, **own}.items()
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
        HealthCheck=ecs.HealthCheck(
            Command=["CMD", "python3", "-m", "batchkit.health"],
            Interval=30,
            Timeout=5,
            Retries=3,
            StartPeriod=60,
        ),
        LogConfiguration=ecs.LogConfiguration(
            LogDriver="awslogs",
            Options={
                "awslogs-group": wired(template, StageOutput.LOG_GROUP_NAME.of(stage.name)),
                "awslogs-region": Ref("AWS::Region"),
                "awslogs-stream-prefix": "task",
            },
        ),
    )
