from __future__ import annotations

from copy import deepcopy
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fargate_batch import project
from fargate_batch.catalogue import FARGATE_MEMORY
from fargate_batch.errors import UserError
from fargate_batch.settings import RESERVED_ADDRESSES, Dispatch, load

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    """What Sceptre hands to a template of dev."""
    stacks = project.read_stacks(PROJECT, "dev")
    data = next(iter(stacks)).sceptre_user_data
    assert isinstance(data, dict)
    return data


@pytest.fixture
def data(committed: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(committed)


def refusal(data: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        load(data)
    return str(caught.value)


def test_environments_row_wins_over_the_catalogues(data: dict[str, Any]) -> None:
    data["stage_settings"] = {"risk-calculation": {"dispatch": "queue"}}
    assert load(data).stage("risk-calculation").dispatch is Dispatch.QUEUE
    assert load(data).stage("data-ingestion").dispatch is Dispatch.TASK


def test_an_environment_changes_one_variable_of_a_stage_and_keeps_the_others(
    data: dict[str, Any],
) -> None:
    row = data["stages"]["data-ingestion"]
    assert row["environment"]
    data["stage_settings"] = {"data-ingestion": {"environment": {"MAX_REFUSED_SHARE": "0.2"}}}
    changed = load(data).stage("data-ingestion")
    assert changed.environment == {**row["environment"], "MAX_REFUSED_SHARE": "0.2"}


def test_stages_keep_the_catalogues_order(data: dict[str, Any]) -> None:
    assert [stage.name for stage in load(data).stages] == list(data["stages"])


def test_loading_leaves_sceptres_data_alone(data: dict[str, Any]) -> None:
    before = deepcopy(data)
    load(data)
    assert data == before


def test_logs_may_be_kept_for_ten_years(data: dict[str, Any]) -> None:
    data["log_retention_days"] = data["network"]["flow_log_retention_days"] = 3653
    settings = load(data)
    assert settings.log_retention_days == settings.network.flow_log_retention_days == 3653


def test_a_new_stage_is_one_row(data: dict[str, Any]) -> None:
    data["stages"]["limit-check"] = {
        "cpu": 256,
        "memory": 512,
        "source": {"bucket": "output", "key_pattern": "runs/*/report/summary.json"},
        "scaling": {"max_tasks": 2},
    }
    assert load(data).stage("limit-check").logical_id == "LimitCheck"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("endpoint_zones", 4, "sceptre_user_data.network.endpoint_zones"),
        ("endpoint_zones", 0, "sceptre_user_data.network.endpoint_zones"),
        ("cidr", "10.20.0.0/28", "choose a prefix from /16 to /24"),
        ("cidr", "10.20.0.1/20", "not a valid IPv4 network"),
        ("cidr", "8.8.0.0/20", "choose a private range"),
        ("endpoints", ["ecr.api", "ecr.dkr", "ecs", "logs"], "endpoints lack sqs"),
        ("endpoints", ["ecr.api", "ecr.dkr", "ecs", "logs", "sqs", "sqs"], "one service twice"),
        ("flow_log_retention_days", 31, "sceptre_user_data.network.flow_log_retention_days"),
        ("nat", True, "sceptre_user_data.network.nat"),
    ],
)
def test_network_out_of_range_is_refused_by_its_place(
    data: dict[str, Any], field: str, value: object, expected: str
) -> None:
    data["network"][field] = value
    message = refusal(data)
    assert message.startswith("config/dev/config.yaml: sceptre_user_data.network")
    assert expected in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", 123456789012),
        ("account_id", "1234"),
        ("log_retention_days", 29),
        ("container_insights", "on"),
        ("allow_destruction", "perhaps"),
    ],
)
def test_setting_of_the_wrong_kind_is_refused_by_its_place(
    data: dict[str, Any], field: str, value: object
) -> None:
    data[field] = value
    assert refusal(data).startswith(f"config/dev/config.yaml: sceptre_user_data.{field}")


@pytest.mark.parametrize("name", ["my-env", "Prod", "a_b", "dev "])
def test_a_folder_that_cannot_be_a_suffix_is_named(data: dict[str, Any], name: str) -> None:
    data["environment"] = name
    message = refusal(data)
    assert f"the folder config/{name}" in message
    assert "rename the folder" in message


def test_names_that_would_be_too_long_for_aws_are_refused(data: dict[str, Any]) -> None:
    data["environment"] = "featurebranch"[:12]
    assert "AWS allows 63" in refusal(data)


def test_a_stage_whose_role_would_have_too_long_a_name_is_refused(data: dict[str, Any]) -> None:
    name = "a-stage-with-a-very-long-name"
    data["stages"][name] = data["stages"]["risk-calculation"]
    message = refusal(data)
    assert f"the role fargate-batch-{name}-exec-" in message
    assert "AWS allows 64" in message


def test_missing_setting_is_named(data: dict[str, Any]) -> None:
    del data["allow_destruction"]
    assert refusal(data) == (
        "config/dev/config.yaml: sceptre_user_data.allow_destruction: Field required"
    )


def test_all_mistakes_are_told_at_once(data: dict[str, Any]) -> None:
    data["log_retention_days"] = 29
    data["network"]["endpoint_zones"] = 9
    message = refusal(data)
    assert "log_retention_days" in message
    assert "endpoint_zones" in message


def test_mistake_in_the_catalogue_is_found_in_the_shared_file(data: dict[str, Any]) -> None:
    data["stages"]["report-generation"]["memory"] = 900
    message = refusal(data)
    assert message.startswith("config/config.yaml: sceptre_user_data.stages.report-generation")
    assert "1024 to 4096 MiB in steps of 1024" in message


def test_mistake_in_an_environments_row_is_found_in_its_file(data: dict[str, Any]) -> None:
    data["stage_settings"]["risk-calculation"] = {"dispatch": "mail"}
    assert refusal(data).startswith(
        "config/dev/config.yaml: sceptre_user_data.stage_settings.risk-calculation.dispatch"
    )


def test_row_for_an_unknown_stage_is_refused(data: dict[str, Any]) -> None:
    data["stage_settings"]["risk-calculus"] = {}
    message = refusal(data)
    assert "no stage risk-calculus" in message
    assert "data-ingestion, risk-calculation, report-generation" in message


@pytest.mark.parametrize("value", ["task", 5, ["task"]])
def test_row_that_is_none_is_refused(data: dict[str, Any], value: object) -> None:
    data["stage_settings"]["risk-calculation"] = value
    assert "must hold the stage's settings" in refusal(data)
    data["stage_settings"] = value
    assert "must map each stage's name" in refusal(data)


@pytest.mark.parametrize(
    "name",
    [
        "reconcile",
        "task-failures",
        "vpc-flow",
        "risk-calculation-retry",
        "data-ingestion-dead-letter",
    ],
)
def test_a_stage_does_not_take_a_name_of_the_platforms_own(data: dict[str, Any], name: str) -> None:
    data["stages"][name] = data["stages"]["risk-calculation"]
    assert f"the platform itself has rules, queues or logs called {name}" in refusal(data)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("reconcile", "every_minutes", 1),
        ("reconcile", "every_minutes", 1440),
        ("reconcile", "lookback_hours", 0),
        ("alarms", "run_expected_minutes", 0),
        ("alarms", "rejects", -1),
        # An alarm looks back a day at most.
        ("alarms", "reject_minutes", 1441),
    ],
)
def test_limits_of_watching_are_refused_by_their_place(
    data: dict[str, Any], part: str, field: str, value: int
) -> None:
    data[part] = {**data[part], field: value}
    assert refusal(data).startswith(f"config/dev/config.yaml: sceptre_user_data.{part}.{field}")


def test_spot_share_is_that_of_the_weights(data: dict[str, Any]) -> None:
    data["capacity"] = {"fargate_base": 9, "fargate_weight": 1, "fargate_spot_weight": 3}
    assert load(data).capacity.spot_share == 0.75


def test_limits_that_cross_are_refused(data: dict[str, Any]) -> None:
    data["stage_settings"]["risk-calculation"] = {"scaling": {"min_tasks": 5, "max_tasks": 2}}
    assert "min_tasks (5) is above max_tasks (2)" in refusal(data)


def test_a_range_too_small_for_the_tasks_is_refused_with_one_that_fits(
    data: dict[str, Any],
) -> None:
    data["network"]["cidr"] = "10.20.0.0/24"
    data["stage_settings"]["risk-calculation"] = {"scaling": {"max_tasks": 200}}
    message = refusal(data)
    assert "10.20.0.0/24 gives each subnet 64 addresses; 208 tasks at once need 219" in message
    assert "Choose a /22 or larger" in message
    data["network"]["cidr"] = "10.20.0.0/22"
    assert load(data).addresses_needed == 219


def test_more_tasks_than_any_vpc_holds_are_refused(data: dict[str, Any]) -> None:
    for index in range(20):
        data["stages"][f"stage-{index}"] = {
            **data["stages"]["risk-calculation"],
            "scaling": {"max_tasks": 1000},
        }
    assert "No VPC is that large" in refusal(data)


@given(
    prefix=st.integers(16, 24),
    tasks=st.lists(st.integers(1, 1000), min_size=3, max_size=3),
)
def test_settings_that_load_have_room_when_a_zone_is_lost(
    committed: dict[str, Any], prefix: int, tasks: list[int]
) -> None:
    data = deepcopy(committed)
    data["network"]["cidr"] = f"10.0.0.0/{prefix}"
    data["stage_settings"] = {
        name: {"scaling": {"max_tasks": most}}
        for name, most in zip(data["stages"], tasks, strict=True)
    }
    free = 2 ** (30 - prefix) - RESERVED_ADDRESSES - len(data["network"]["endpoints"])
    if 2 * free < 2 * sum(tasks) + 1:
        assert "addresses" in refusal(data)
        return
    settings = load(data)
    one, other, _ = settings.network.subnets
    taken = 2 * (RESERVED_ADDRESSES + len(settings.network.endpoints))
    assert one.num_addresses + other.num_addresses - taken >= 2 * sum(tasks) + 1


@given(prefix=st.integers(16, 24))
def test_three_subnets_never_overlap_and_stay_inside(
    committed: dict[str, Any], prefix: int
) -> None:
    data = deepcopy(committed)
    data["network"]["cidr"] = f"10.0.0.0/{prefix}"
    subnets = load(data).network.subnets
    assert len(subnets) == 3
    assert all(subnet.subnet_of(IPv4Network(data["network"]["cidr"])) for subnet in subnets)
    assert not any(one.overlaps(other) for one in subnets for other in subnets if one != other)


@given(cpu=st.sampled_from(sorted(FARGATE_MEMORY)), memory=st.integers(256, 131072))
def test_only_sizes_that_fargate_has_are_taken(
    committed: dict[str, Any], cpu: int, memory: int
) -> None:
    data = deepcopy(committed)
    data["stages"]["data-ingestion"].update(cpu=cpu, memory=memory)
    if memory in FARGATE_MEMORY[cpu]:
        assert load(data).stage("data-ingestion").memory == memory
    else:
        assert f"memory is {memory}" in refusal(data)


def test_a_size_that_fargate_does_not_have_is_refused(data: dict[str, Any]) -> None:
    data["stages"]["data-ingestion"]["cpu"] = 1000
    assert "cpu is 1000; Fargate has [256, 512," in refusal(data)


@pytest.mark.parametrize("pattern", ["*", "/positions/*", "?x", ""])
def test_a_stage_is_not_given_a_whole_bucket(data: dict[str, Any], pattern: str) -> None:
    data["stages"]["data-ingestion"]["writes"] = {"output": [pattern]}
    assert "stages.data-ingestion.writes.output" in refusal(data)


def test_capacity_without_any_weight_is_refused(data: dict[str, Any]) -> None:
    data["capacity"].update(fargate_weight=0, fargate_spot_weight=0)
    assert "one must be more" in refusal(data)


def test_stage_that_does_not_exist_is_refused_with_those_that_do(data: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="it has data-ingestion, risk-calculation"):
        load(data).stage("ingestion")


def test_an_alarm_that_writes_to_nobody_says_what_an_address_is(data: dict[str, Any]) -> None:
    data["alarms"] = {**data["alarms"], "email": "nobody"}
    with pytest.raises(UserError, match=r"alarms\.email: .*name@domain"):
        load(data)
