from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from sceptre.resolvers.placeholders import use_resolver_placeholders_on_error

from fargate_batch.errors import UserError
from hooks.base import client_of
from imaging import repositories
from resolvers import image_uri
from resolvers.image_uri import ImageUri

TASKS = "dev/compute/tasks"


def resolver(launched: Any, stage: str = "data-ingestion") -> ImageUri:
    made: ImageUri = ImageUri(stage).clone_for_stack(launched.stack(TASKS))
    return made


def test_the_stack_that_uses_an_image_waits_for_the_registry(launched: Any) -> None:
    dependencies = {stack.name for stack in launched.stack(TASKS).dependencies}
    assert "dev/storage/registry" in dependencies


def test_it_resolves_to_the_digest_of_what_was_pushed(launched: Any) -> None:
    uris = launched.launch_registry()
    launched.push(uris)
    found = resolver(launched).resolve()
    uri, _, digest = found.partition("@")
    assert uri == uris["data-ingestion"]
    repository = uri.partition("/")[2]
    images = launched.client("ecr").list_images(repositoryName=repository)["imageIds"]
    assert [image["imageDigest"] for image in images] == [digest]
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)


def test_the_parameters_of_the_task_definitions_are_digests(launched: Any) -> None:
    uris = launched.launch_registry()
    launched.push(uris)
    stack = launched.stack(TASKS)
    values = {
        name: value.resolve()
        for name, value in stack._parameters.items()
        if isinstance(value, ImageUri)
    }
    assert set(values) == {
        "DataIngestionImageUri",
        "RiskCalculationImageUri",
        "ReportGenerationImageUri",
    }
    assert all("@sha256:" in value for value in values.values())


def test_a_change_in_one_stage_changes_that_stage_s_digest_only(launched: Any) -> None:
    uris = launched.launch_registry()
    launched.push(uris)
    before = {stage: resolver(launched, stage).resolve() for stage in uris}
    launched.write("risk-calculation/risk_calculation/__init__.py", "CHANGED = True\n")
    launched.push(uris)
    after = {stage: resolver(launched, stage).resolve() for stage in uris}
    assert {stage for stage in uris if after[stage] != before[stage]} == {"risk-calculation"}


def test_an_unknown_stage_is_named_with_those_that_there_are(launched: Any) -> None:
    with pytest.raises(UserError, match=r"no stage 'reporting'.*data-ingestion"):
        resolver(launched, "reporting").resolve()


def test_without_a_registry_the_way_out_is_named(launched: Any) -> None:
    with pytest.raises(UserError, match=r"`sceptre launch dev/storage/registry\.yaml`"):
        resolver(launched).resolve()


def test_sources_that_are_not_pushed_yet_are_named_with_the_way_out(launched: Any) -> None:
    launched.push(launched.launch_registry())
    launched.write("data-ingestion/data_ingestion/__init__.py", "CHANGED = True\n")
    with pytest.raises(
        UserError,
        match=r"data-ingestion.*not in .* yet; `sceptre launch dev/storage/registry\.yaml`",
    ):
        resolver(launched).resolve()


def test_what_is_missing_is_looked_for_again(launched: Any) -> None:
    uris = launched.launch_registry()
    asked = resolver(launched)
    with pytest.raises(UserError):
        asked.resolve()
    launched.push(uris)
    assert asked.resolve().startswith(f"{uris['data-ingestion']}@sha256:")


def test_generate_validate_and_diff_show_a_placeholder(launched: Any) -> None:
    stack = launched.stack(TASKS)
    stack.parameters = {"Uri": ImageUri("data-ingestion")}
    with use_resolver_placeholders_on_error():
        assert stack.parameters == {"Uri": "{ !ImageUri(data-ingestion) }"}


def test_a_launch_gets_the_error_and_no_placeholder(launched: Any) -> None:
    stack = launched.stack(TASKS)
    stack.parameters = {"Uri": ImageUri("data-ingestion")}
    with pytest.raises(UserError, match="no registry"):
        _ = stack.parameters


def test_many_threads_ask_ecr_once(launched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uris = launched.launch_registry()
    launched.push(uris)
    stacks = [launched.stack(TASKS) for _ in range(4)]
    asked: list[str] = []
    digests = repositories.digests

    def counted(ecr: Any, repository: str, tags: Any) -> dict[str, str]:
        asked.append(repository)
        return digests(ecr, repository, tags)

    monkeypatch.setattr(repositories, "digests", counted)
    resolvers = [ImageUri(stage).clone_for_stack(stack) for stack in stacks for stage in uris]
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda each: each.resolve(), resolvers))
    assert len(found) == 3
    assert len(asked) == 3


def test_aws_not_answering_is_one_clear_error(
    launched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolver(launched)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    once = Config(retries={"total_max_attempts": 1})
    monkeypatch.setattr(
        image_uri, "client_of", lambda stack, service: client_of(stack, service, once)
    )
    with pytest.raises(UserError, match="!image_uri data-ingestion: AWS cannot be reached"):
        asked.resolve()
