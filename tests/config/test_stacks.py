"""The stack files: wiring, guards, order, and that only settings tell environments apart."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sceptre.resolvers.stack_output import StackOutput, StackOutputExternal

from fargate_batch import project
from fargate_batch.names import Output, StackPath, StageOutput, ledger_stack_name
from hooks.close_security_group import CloseSecurityGroup
from hooks.empty_bucket import EmptyBucket
from hooks.image_push import ImagePush
from hooks.service_linked_roles import ServiceLinkedRoles
from hooks.stop_tasks import StopTasks
from hooks.verify_account import VerifyAccount
from hooks.verify_destruction import VerifyDestruction
from hooks.verify_images import VerifyImages
from hooks.verify_state import VerifyState
from resolvers.image_uri import ImageUri

if TYPE_CHECKING:
    from sceptre.stack import Stack

PROJECT = Path(__file__).parents[2]
CONFIG = PROJECT / "config"
ENVIRONMENTS = project.environments(PROJECT)
DEEPEST = 5
FIRST = (StackPath.ENCRYPTION, StackPath.LEDGER, StackPath.REGISTRY)


@cache
def stacks_of(environment: str) -> dict[str, Stack]:
    return {
        stack.name.removeprefix(f"{environment}/"): stack
        for stack in project.read_stacks(PROJECT, environment)
    }


@cache
def template_of(environment: str, path: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(
        stacks_of(environment)[path].template.body.removeprefix("---\n")
    )
    return template


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def stacks(environment: str) -> dict[str, Stack]:
    return stacks_of(environment)


def runs_before(stacks: dict[str, Stack], first: str, then: str) -> bool:
    """Whether one stack is launched before another, and so deleted after it."""

    def needed(stack: Stack) -> set[str]:
        direct = {one.name for one in stack.dependencies}
        return direct.union(*(needed(one) for one in stack.dependencies))

    return stacks[first].name in needed(stacks[then])


def test_there_are_three_environments() -> None:
    assert ENVIRONMENTS == ["dev", "prod", "staging"]


def test_every_environment_has_the_same_twelve_stacks(stacks: dict[str, Stack]) -> None:
    assert sorted(stacks) == sorted(StackPath)


@pytest.mark.parametrize("path", list(StackPath), ids=str)
def test_stack_files_are_the_same_bytes_in_every_environment(path: StackPath) -> None:
    contents = {(CONFIG / name / f"{path}.yaml").read_bytes() for name in ENVIRONMENTS}
    assert len(contents) == 1


def test_no_stack_file_names_an_environment() -> None:
    for path in StackPath:
        text = (CONFIG / ENVIRONMENTS[0] / f"{path}.yaml").read_text()
        words = set(re.findall(r"[a-z]+", text))
        assert not words & set(ENVIRONMENTS), path


def test_no_file_above_the_stacks_would_be_inherited_from() -> None:
    # Sceptre merges files of the same name from parent folders into a stack.
    names = {f"{Path(path).name}.yaml" for path in StackPath}
    above = [*CONFIG.glob("*.yaml"), *CONFIG.glob("*/*.yaml")]
    assert not [path for path in above if path.name in names]
    assert {path.name for path in above} == {"config.yaml"}


def test_template_lies_where_its_stack_file_lies(stacks: dict[str, Stack]) -> None:
    for path, stack in stacks.items():
        assert stack.template_handler_config["path"] == f"{path}.py"


def test_suffix_is_the_folders_name(environment: str, stacks: dict[str, Stack]) -> None:
    for stack in stacks.values():
        assert stack._parameters["EnvironmentSuffix"] == environment


def test_only_the_ledger_has_a_name_of_its_own(environment: str, stacks: dict[str, Stack]) -> None:
    for path, stack in stacks.items():
        expected = (
            ledger_stack_name(environment)
            if path == StackPath.LEDGER
            else f"fargate-batch-{environment}-{path.replace('/', '-')}"
        )
        assert stack.external_name == expected


def test_every_output_that_is_read_exists(environment: str, stacks: dict[str, Stack]) -> None:
    for stack in stacks.values():
        for value in stack._parameters.values():
            if not isinstance(value, StackOutput):
                continue
            name, output = value._argument.split("::")
            path = name.removeprefix(f"{environment}/").removesuffix(".yaml")
            assert output in template_of(environment, path)["Outputs"], f"{stack.name}: {output}"
            # A stack with a name of its own is invisible to !stack_output.
            assert path != StackPath.LEDGER, stack.name


def test_external_outputs_are_the_ledgers(environment: str, stacks: dict[str, Stack]) -> None:
    found = 0
    for stack in stacks.values():
        for value in stack._parameters.values():
            if isinstance(value, StackOutputExternal):
                name, output = value._argument.split("::")
                assert name == ledger_stack_name(environment)
                assert output in template_of(environment, StackPath.LEDGER)["Outputs"]
                # Sceptre knows no order from an external output.
                assert runs_before(
                    stacks, StackPath.LEDGER, stack.name.removeprefix(f"{environment}/")
                )
                found += 1
    assert found == 2


def test_parameters_are_exactly_those_that_the_template_takes(
    environment: str, stacks: dict[str, Stack]
) -> None:
    # CloudFormation refuses one more as it refuses one less.
    for path, stack in stacks.items():
        assert set(stack._parameters) == set(template_of(environment, path)["Parameters"]), path


def test_parameters_carry_the_name_of_the_output_that_they_are(stacks: dict[str, Stack]) -> None:
    for stack in stacks.values():
        for name, value in stack._parameters.items():
            if isinstance(value, StackOutput | StackOutputExternal):
                assert value._argument.split("::")[1] == name


def test_each_stage_runs_its_own_image(stacks: dict[str, Stack]) -> None:
    images = {
        name: value._argument
        for name, value in stacks[StackPath.TASKS]._parameters.items()
        if isinstance(value, ImageUri)
    }
    stages = stacks[StackPath.TASKS].sceptre_user_data["stages"]
    assert images == {StageOutput.IMAGE_URI.of(stage): stage for stage in stages}


def test_no_two_stacks_give_an_output_of_the_same_name(
    environment: str, stacks: dict[str, Stack]
) -> None:
    names = [
        output
        for path in stacks
        if path != StackPath.LEDGER
        for output in template_of(environment, path).get("Outputs", {})
    ]
    assert len(names) == len(set(names))


def test_every_name_of_an_output_is_in_use(environment: str, stacks: dict[str, Stack]) -> None:
    given = {name for path in stacks for name in template_of(environment, path).get("Outputs", {})}
    assert set(Output) <= given
    for stage in stacks[StackPath.TASKS].sceptre_user_data["stages"]:
        wanted = {output.of(stage) for output in StageOutput if output != StageOutput.IMAGE_URI}
        assert wanted <= given


def test_no_stack_depends_on_another_environment(
    environment: str, stacks: dict[str, Stack]
) -> None:
    for stack in stacks.values():
        assert all(one.name.startswith(f"{environment}/") for one in stack.dependencies)


def test_graph_is_at_most_five_levels_deep(stacks: dict[str, Stack]) -> None:
    assert max(project.stack_levels(set(stacks.values())).values()) <= DEEPEST


@pytest.mark.parametrize("moment", ["before_launch", "before_create", "before_update"])
def test_every_stack_checks_the_account_first(stacks: dict[str, Stack], moment: str) -> None:
    for path, stack in stacks.items():
        assert isinstance(stack.hooks[moment][0], VerifyAccount), path


def test_no_stack_is_launched_while_it_is_stuck(stacks: dict[str, Stack]) -> None:
    for path, stack in stacks.items():
        kinds = [type(hook) for hook in stack.hooks["before_launch"]]
        assert kinds[:2] == [VerifyAccount, VerifyState], path


def test_every_stack_asks_whether_the_environment_may_be_deleted(
    stacks: dict[str, Stack],
) -> None:
    for path, stack in stacks.items():
        kinds = [type(hook) for hook in stack.hooks["before_delete"]]
        assert kinds[:2] == [VerifyAccount, VerifyDestruction], path


def test_every_hook_belongs_to_the_stack_that_runs_it(stacks: dict[str, Stack]) -> None:
    # Sceptre hands hooks that stand in a group's config to the stack that was read last.
    for path, stack in stacks.items():
        for moment, hooks in stack.hooks.items():
            assert all(hook.stack is stack for hook in hooks), f"{path}: {moment}"


def test_what_every_launch_begins_with_is_known(environment: str, stacks: dict[str, Stack]) -> None:
    levels = project.stack_levels(set(stacks.values()))
    first = {name for name, level in levels.items() if level == 1}
    assert first == {f"{environment}/{path}" for path in FIRST}


def test_hooks_of_their_own_stand_where_they_belong(stacks: dict[str, Stack]) -> None:
    guards = {VerifyAccount, VerifyState, VerifyDestruction}
    found = {
        (path, moment, type(hook))
        for path, stack in stacks.items()
        for moment, hooks in stack.hooks.items()
        for hook in hooks
        if type(hook) not in guards
    }
    assert found == {
        (StackPath.VPC, "after_create", CloseSecurityGroup),
        (StackPath.VPC, "after_update", CloseSecurityGroup),
        # Whatever is launched first waits for it.
        *((path, "before_launch", VerifyImages) for path in FIRST),
        (StackPath.ENCRYPTION, "before_create", ServiceLinkedRoles),
        (StackPath.REGISTRY, "before_create", VerifyImages),
        (StackPath.REGISTRY, "before_update", VerifyImages),
        (StackPath.REGISTRY, "after_create", ImagePush),
        (StackPath.REGISTRY, "after_update", ImagePush),
        (StackPath.BUCKETS, "before_delete", EmptyBucket),
        (StackPath.SERVICES, "before_delete", StopTasks),
        (StackPath.TASKS, "before_delete", StopTasks),
        (StackPath.CLUSTER, "before_delete", StopTasks),
    }


def test_every_bucket_is_emptied_and_the_access_logs_last(
    environment: str, stacks: dict[str, Stack]
) -> None:
    hook = stacks[StackPath.BUCKETS].hooks["before_delete"][-1]
    template = template_of(environment, StackPath.BUCKETS)
    buckets = {
        name
        for name, output in template["Outputs"].items()
        if "Ref" in output["Value"]
        and template["Resources"][output["Value"]["Ref"]]["Type"] == "AWS::S3::Bucket"
    }
    assert set(hook.argument["outputs"]) == buckets
    # Emptying the others may still write to it.
    assert hook.argument["outputs"][-1] == Output.ACCESS_LOG_BUCKET_NAME


def test_the_roles_that_a_cluster_needs_are_made_some_time_before_it(
    stacks: dict[str, Stack],
) -> None:
    assert runs_before(stacks, StackPath.ENCRYPTION, StackPath.CLUSTER)


def test_hooks_name_what_their_stack_has(environment: str, stacks: dict[str, Stack]) -> None:
    for path in (StackPath.SERVICES, StackPath.TASKS):
        stop = stacks[path].hooks["before_delete"][-1]
        assert stop.argument["cluster"] in stacks[path]._parameters
    again = stacks[StackPath.CLUSTER].hooks["before_delete"][-1]
    assert again.argument["cluster"] in template_of(environment, StackPath.CLUSTER)["Outputs"]
    (close,) = stacks[StackPath.VPC].hooks["after_create"]
    assert close.argument["output"] in template_of(environment, StackPath.VPC)["Outputs"]


@pytest.mark.parametrize(
    "kept",
    [StackPath.VPC, StackPath.BUCKETS, StackPath.CLUSTER, StackPath.LEDGER, StackPath.QUEUES],
    ids=str,
)
def test_tasks_are_stopped_before_what_they_use_goes(
    stacks: dict[str, Stack], kept: StackPath
) -> None:
    assert runs_before(stacks, kept, StackPath.TASKS)


@pytest.mark.parametrize("starter", [StackPath.SERVICES, StackPath.PIPELINE], ids=str)
def test_nothing_starts_a_task_any_more_when_tasks_are_stopped(
    stacks: dict[str, Stack], starter: StackPath
) -> None:
    assert runs_before(stacks, StackPath.TASKS, starter)


@pytest.mark.parametrize("starter", [StackPath.SERVICES, StackPath.PIPELINE], ids=str)
def test_no_task_is_started_before_it_can_reach_aws(
    stacks: dict[str, Stack], starter: StackPath
) -> None:
    assert runs_before(stacks, StackPath.ENDPOINTS, starter)


def test_images_are_pushed_before_tasks_name_them(stacks: dict[str, Stack]) -> None:
    assert runs_before(stacks, StackPath.REGISTRY, StackPath.TASKS)


def test_key_outlives_what_it_encrypts(environment: str, stacks: dict[str, Stack]) -> None:
    for path in stacks:
        if Output.KEY_ARN in template_of(environment, path)["Parameters"]:
            assert runs_before(stacks, StackPath.ENCRYPTION, path)
