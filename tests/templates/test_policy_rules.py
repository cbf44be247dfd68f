"""Rules for every policy document, each beside one that it passes and one that it refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.names import StackPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.templates.conftest import Render

Statement = dict[str, Any]

# The two actions that AWS defines no narrower resource for, and the one policy type in which `*`
# stands for the very key that carries the policy.
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken"}
KEY_POLICY = "KeyPolicy"


@dataclass(frozen=True)
class Policy:
    """One document, with where it was found."""

    place: str
    document: dict[str, Any]

    @property
    def statements(self) -> list[Statement]:
        return list(self.document["Statement"])


def policies(value: Any, place: str = "") -> Iterator[Policy]:
    """Every policy document below a part of a template, also those that are JSON in a string."""
    if isinstance(value, dict):
        if isinstance(value.get("Statement"), list):
            yield Policy(place, value)
        elif set(value) == {"Fn::Join"} and '"Statement":' in str(value):
            separator, parts = value["Fn::Join"]
            text = separator.join(part if isinstance(part, str) else "arn" for part in parts)
            yield Policy(place, json.loads(text))
        else:
            for key, inner in value.items():
                yield from policies(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from policies(inner, f"{place}[{index}]")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_of_the_current_version(policy: Policy) -> bool:
    return policy.document.get("Version") == "2012-10-17"


def allows_named_actions_only(policy: Policy) -> bool:
    """Neither `*` nor a whole service; a denial may and should be broad."""
    return not any(
        action == "*" or action.endswith(":*")
        for one in policy.statements
        if one["Effect"] == "Allow"
        for action in listed(one["Action"])
    )


def allows_named_resources_only(policy: Policy) -> bool:
    return all(
        "*" not in listed(one.get("Resource"))
        for one in policy.statements
        if one["Effect"] == "Allow"
        and set(listed(one["Action"])) - WITHOUT_RESOURCE
        and not policy.place.endswith(KEY_POLICY)
    )


def lets_a_service_in_for_this_account_only(policy: Policy) -> bool:
    """A service's principal needs a condition, or another account may send it (confused deputy)."""
    conditions = ("aws:SourceArn", "aws:SourceAccount", "kms:EncryptionContext:aws:logs:arn")
    return all(
        any(condition in json.dumps(one.get("Condition", {})) for condition in conditions)
        # CloudWatch Logs creates streams for EventBridge without naming the rule.
        or listed(one["Action"]) == ["logs:CreateLogStream"]
        for one in policy.statements
        if isinstance(one.get("Principal"), dict) and "Service" in one["Principal"]
    )


def lets_nobody_in_without_a_condition(policy: Policy) -> bool:
    """Everybody is named in a denial, or where a condition or an AWS-owned bucket narrows it."""
    return all(
        one["Effect"] == "Deny"
        or "Condition" in one
        or "starport-layer-bucket" in json.dumps(one["Resource"])
        for one in policy.statements
        if one.get("Principal") == "*"
    )


def passes_roles_to_named_services_only(policy: Policy) -> bool:
    return all(
        "iam:PassedToService" in json.dumps(one.get("Condition", {}))
        for one in policy.statements
        if "iam:PassRole" in listed(one["Action"])
    )


def runs_tasks_in_a_named_cluster_only(policy: Policy) -> bool:
    return all(
        "ecs:cluster" in json.dumps(one.get("Condition", {}))
        for one in policy.statements
        if "ecs:RunTask" in listed(one["Action"])
    )


def allowing(**fields: Any) -> Policy:
    place = fields.pop("place", "Role.PolicyDocument")
    version = fields.pop("version", "2012-10-17")
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn"], **fields}
    return Policy(place, {"Version": version, "Statement": [statement]})


EVENTS = {"Service": "events.amazonaws.com"}

# Each rule with documents that it passes and documents that it refuses.
RULES: dict[Callable[[Policy], bool], tuple[list[Policy], list[Policy]]] = {
    is_of_the_current_version: ([allowing()], [allowing(version="2008-10-17")]),
    allows_named_actions_only: (
        [allowing(), allowing(Effect="Deny", Action=["s3:*"])],
        [allowing(Action="*"), allowing(Action=["s3:*"])],
    ),
    allows_named_resources_only: (
        [
            allowing(Resource=["arn:aws:s3:::bucket/*"]),
            allowing(Action=["ecr:GetAuthorizationToken"], Resource=["*"]),
            allowing(Action=["kms:Decrypt"], Resource=["*"], place="Key.KeyPolicy"),
        ],
        [
            allowing(Resource="*"),
            allowing(Action=["ecr:GetAuthorizationToken", "ecr:PutImage"], Resource=["*"]),
        ],
    ),
    lets_a_service_in_for_this_account_only: (
        [allowing(Principal=EVENTS, Condition={"StringEquals": {"aws:SourceAccount": "1"}})],
        [allowing(Principal=EVENTS)],
    ),
    lets_nobody_in_without_a_condition: (
        [allowing(Principal="*", Condition={"Bool": {}}), allowing(Principal="*", Effect="Deny")],
        [allowing(Principal="*")],
    ),
    passes_roles_to_named_services_only: (
        [
            allowing(
                Action=["iam:PassRole"],
                Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            )
        ],
        [allowing(Action=["iam:PassRole"])],
    ),
    runs_tasks_in_a_named_cluster_only: (
        [allowing(Action=["ecs:RunTask"], Condition={"ArnEquals": {"ecs:cluster": "arn"}})],
        [allowing(Action=["ecs:RunTask"])],
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_passes_what_is_right(rule: Callable[[Policy], bool]) -> None:
    right, _ = RULES[rule]
    assert [policy for policy in right if not rule(policy)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_refuses_what_is_wrong(rule: Callable[[Policy], bool]) -> None:
    _, wrong = RULES[rule]
    assert [policy for policy in wrong if rule(policy)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_policy_of_every_template_keeps_the_rule(
    rule: Callable[[Policy], bool], render: Render, environment: str, stack_path: StackPath
) -> None:
    template = render(environment, stack_path).template
    broken = [policy.place for policy in policies(template) if not rule(policy)]
    assert broken == []


def test_policies_are_found_wherever_they_stand(render: Render, environment: str) -> None:
    places = {
        path: [policy.place for policy in policies(render(environment, path).template)]
        for path in StackPath
    }
    # Two roles a stage and two for reconcile, each with trust and permissions.
    assert len(places[StackPath.TASKS]) == 16
    assert len(places[StackPath.QUEUES]) == 7  # two queues a stage, and the topic
    assert [place for place in places[StackPath.ENCRYPTION] if place.endswith(KEY_POLICY)]
    assert len(places[StackPath.OBSERVABILITY]) == 1  # JSON in a string
