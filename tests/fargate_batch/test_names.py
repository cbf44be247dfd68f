from __future__ import annotations

import re

import pytest

from fargate_batch.names import (
    SUFFIX_PATTERN,
    GivenNames,
    StageOutput,
    ledger_stack_name,
    logical_id,
)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [("data-ingestion", "DataIngestion"), ("report", "Report"), ("a-b-c", "ABC")],
)
def test_logical_id_has_no_dashes(stage: str, expected: str) -> None:
    assert logical_id(stage) == expected


def test_stage_outputs_are_aws_terms_after_the_stage() -> None:
    assert StageOutput.REPOSITORY_URI.of("data-ingestion") == "DataIngestionRepositoryUri"


def test_ledger_stack_is_tap_stack() -> None:
    assert ledger_stack_name("dev") == "TapStackdev"


def test_given_names_inside_a_template_end_in_its_parameter() -> None:
    names = GivenNames("fargate-batch")
    assert names.of("alarms") == "fargate-batch-alarms-${EnvironmentSuffix}"
    assert names.role("events") == "fargate-batch-events-${AWS::Region}-${EnvironmentSuffix}"
    assert names.bucket("input") == (
        "fargate-batch-input-${AWS::AccountId}-${AWS::Region}-${EnvironmentSuffix}"
    )
    assert names.table() == "TurnAroundPromptTable${EnvironmentSuffix}"


def test_given_names_outside_a_template_end_in_the_suffix() -> None:
    names = GivenNames("fargate-batch", "dev")
    assert (
        names.dead_letter_queue("data-ingestion") == "fargate-batch-data-ingestion-dead-letter-dev"
    )
    assert names.retry_rule("data-ingestion") == "fargate-batch-data-ingestion-retry-dev"
    assert names.repository("data-ingestion") == "fargate-batch/data-ingestion-dev"
    assert names.log_group("data-ingestion") == "/fargate-batch/data-ingestion/dev"
    assert names.bucket("input", "1" * 12, "eu-west-1") == (
        "fargate-batch-input-111111111111-eu-west-1-dev"
    )


@pytest.mark.parametrize(("suffix", "fits"), [("dev", True), ("Pr42", True), ("my-env", False)])
def test_suffix_is_letters_and_digits(suffix: str, fits: bool) -> None:  # noqa: FBT001  # a table
    assert bool(re.match(SUFFIX_PATTERN, suffix)) is fits
