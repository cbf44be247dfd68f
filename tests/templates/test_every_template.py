"""What holds for every template of every environment."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint import ManualArgs
from cfnlint.api import lint

from fargate_batch import project
from fargate_batch.names import SUFFIX_PARAMETER, SUFFIX_PATTERN, StackPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.templates.conftest import Render, Rendered

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
BODY_LIMIT = 51_200
RESOURCE_LIMIT = 500
PARAMETER_LIMIT = 200

# cfn-lint's findings that are meant, each with its reason.
JUSTIFIED = {
    # The stack files are the same in every environment and hand over what either dispatch needs;
    # a template uses what its environment's dispatch asks for.
    "W2001": {StackPath.PIPELINE},
}

NAME_PROPERTIES = {
    "AlarmName",
    "AliasName",
    "BucketName",
    "ClusterName",
    "DashboardName",
    "Family",
    "GroupName",
    "LogGroupName",
    "Name",
    "QueueName",
    "RepositoryName",
    "RoleName",
    "ServiceName",
    "TableName",
    "TopicName",
}


@pytest.fixture
def stack(render: Render, environment: str, stack_path: StackPath) -> Rendered:
    return render(environment, stack_path)


def references(value: Any) -> Iterator[str]:
    """Every name that a part of a template refers to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            elif key == "Fn::Sub":
                text = inner if isinstance(inner, str) else inner[0]
                own = set() if isinstance(inner, str) else set(inner[1])
                yield from (
                    name.split(".")[0]
                    for name in re.findall(r"\$\{([^!}]+)\}", text)
                    if name not in own
                )
                yield from references([] if isinstance(inner, str) else inner[1])
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@cache
def findings(body: str) -> list[tuple[str, str]]:
    """What cfn-lint says; many templates are the same in every environment."""
    matches = lint(body, config=ManualArgs(regions=["eu-west-1"]))
    return [(match.rule.id, str(match)) for match in matches]


def test_cfn_lint_finds_nothing(stack: Rendered) -> None:
    meant = {rule for rule, paths in JUSTIFIED.items() if stack.path in paths}
    assert [text for rule, text in findings(stack.body) if rule not in meant] == []


def test_cfn_lint_would_find_something() -> None:
    broken = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Nme": "x"}}}}
    assert [rule for rule, _ in findings(json.dumps(broken))] == ["E3002"]


def test_body_stays_below_cloudformations_limits(stack: Rendered) -> None:
    assert len(stack.body.encode()) < BODY_LIMIT
    assert len(stack.template["Resources"]) <= RESOURCE_LIMIT
    assert len(stack.template["Parameters"]) <= PARAMETER_LIMIT


def test_suffix_is_a_parameter_of_letters_and_digits(stack: Rendered) -> None:
    parameter = stack.template["Parameters"][SUFFIX_PARAMETER]
    assert (parameter["Type"], parameter["AllowedPattern"]) == ("String", SUFFIX_PATTERN)


@pytest.mark.parametrize("suffix", ["my-env", "", "a_b", "dev "])
def test_suffix_with_anything_else_is_refused(suffix: str) -> None:
    assert re.fullmatch(SUFFIX_PATTERN, suffix) is None


def test_every_given_name_ends_in_the_suffix(stack: Rendered) -> None:
    for logical_id, resource in stack.template["Resources"].items():
        properties = resource.get("Properties", {})
        for name in NAME_PROPERTIES & set(properties):
            value = properties[name]
            if list(value) == ["Ref"]:  # another resource's name, checked there
                continue
            if resource["Type"] == "AWS::EC2::VPCEndpoint":  # the name of AWS's own service
                continue
            # Container Insights chooses its group's name itself, from the cluster's name.
            text = value["Fn::Sub"].removesuffix("/performance")
            assert text.endswith(f"${{{SUFFIX_PARAMETER}}}"), f"{logical_id}.{name}: {text}"


@pytest.mark.parametrize(
    "kind", ["AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::Logs::ResourcePolicy"]
)
def test_every_policy_with_a_name_of_its_own_ends_in_the_suffix(stack: Rendered, kind: str) -> None:
    names = [one["PolicyName"]["Fn::Sub"] for one in stack.of_type(kind).values()]
    assert all(name.endswith(f"${{{SUFFIX_PARAMETER}}}") for name in names)


def test_nothing_is_retained_or_protected(stack: Rendered) -> None:
    for logical_id, resource in stack.template["Resources"].items():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            assert resource.get(policy, "Delete") == "Delete", logical_id
        properties = resource.get("Properties", {})
        assert not properties.get("DeletionProtectionEnabled"), logical_id
        assert "ObjectLockConfiguration" not in properties, logical_id


def test_everything_that_is_referred_to_exists(stack: Rendered) -> None:
    known = {*stack.template["Parameters"], *stack.template["Resources"]}
    named = {name for name in references(stack.template) if not name.startswith("AWS::")}
    assert named <= known


def test_rendering_twice_gives_the_same_bytes(render: Render, environment: str) -> None:
    # Anything else would make a relaunch change a stack that nobody changed.
    for stack in project.read_stacks(Path(__file__).parents[2], environment):
        path = StackPath(stack.name.removeprefix(f"{environment}/"))
        again = stack.template.body.removeprefix("---\n")
        assert again == render(environment, path).body, path


def test_no_template_knows_its_environment_by_name(stack: Rendered) -> None:
    # The suffix is a parameter; a template with the name in it would differ for no reason.
    assert f'"{stack.environment}"' not in json.dumps(stack.template["Resources"])
