from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sceptre.plan import actions
from sceptre.plan.actions import StackActions

from fargate_batch.errors import UserError
from hooks.stacks import NEVER_CREATED
from hooks.verify_destruction import VerifyDestruction

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUES = "dev/storage/queues"
PIPELINE = "dev/eventing/pipeline"
TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}
BUCKET = {"Bucket": {"Type": "AWS::S3::Bucket"}}
STAMP = "2026-01-01T00:00:00Z"


def guard(project: Any, name: str = QUEUES) -> VerifyDestruction:
    hook: VerifyDestruction = project.hook(name, "before_delete", VerifyDestruction)
    return hook


def described(name: str, status: str = "CREATE_COMPLETE", **more: Any) -> dict[str, Any]:
    return {"StackName": name, "StackStatus": status, "CreationTime": STAMP, **more}


def record_own_stack(recorded: Any, project: Any, status: str, name: str = QUEUES) -> None:
    stack = project.stack(name)
    recorded["cloudformation"].add_response(
        "describe_stacks",
        {"Stacks": [described(stack.external_name, status)]},
        {"StackName": stack.external_name},
    )


def forbid(project: Any) -> None:
    project.edit("dev/config.yaml", "allow_destruction: true", "allow_destruction: false")


@pytest.mark.usefixtures("on_local_aws")
def test_an_environment_that_may_go_passes(project: Any, deploy: Callable[..., str]) -> None:
    deploy(project.stack(QUEUES), TOPIC)
    guard(project).run()


@pytest.mark.parametrize("name", [QUEUES, PIPELINE, "dev/network/vpc"])
@pytest.mark.usefixtures("on_local_aws")
def test_destruction_that_is_not_allowed_keeps_every_stack(project: Any, name: str) -> None:
    forbid(project)
    with pytest.raises(UserError, match=r"^config/dev/config\.yaml says allow_destruction: false"):
        guard(project, name).run()


@pytest.mark.usefixtures("on_local_aws")
def test_one_protected_stack_keeps_its_neighbours(project: Any) -> None:
    project.edit("dev/storage/ledger.yaml", "template:", "protect: true\ntemplate:")
    with pytest.raises(UserError, match=r"^protect: true in config/dev/storage/ledger\.yaml, so"):
        guard(project, PIPELINE).run()


@pytest.mark.usefixtures("on_local_aws")
def test_a_protected_stack_of_another_environment_does_not_matter(project: Any) -> None:
    project.edit("prod/storage/ledger.yaml", "template:", "protect: true\ntemplate:")
    guard(project).run()


def test_termination_protection_on_a_later_page_keeps_every_stack(
    project: Any, recorded: Any
) -> None:
    record_own_stack(recorded, project, "CREATE_COMPLETE")
    ledger = project.stack("dev/storage/ledger").external_name
    pages = recorded["cloudformation"]
    # A stranger's protection is no reason.
    pages.add_response(
        "describe_stacks",
        {"Stacks": [described("other", EnableTerminationProtection=True)], "NextToken": "2"},
        {},
    )
    pages.add_response(
        "describe_stacks",
        {"Stacks": [described(ledger, EnableTerminationProtection=True)]},
        {"NextToken": "2"},
    )
    with pytest.raises(UserError) as refused:
        guard(project).run()
    assert str(refused.value).startswith(f"Termination protection is on for {ledger}, so nothing")
    assert f"--no-enable-termination-protection --stack-name {ledger}`" in str(refused.value)


def test_the_environment_is_asked_about_once_for_all_its_stacks(
    project: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VerifyDestruction, "_was_never_created", lambda _: False)
    monkeypatch.setattr(VerifyDestruction, "settled_stack", lambda _: None)
    recorded["cloudformation"].add_response("describe_stacks", {"Stacks": []}, {})
    # Nothing depends on these three, so there are no dependents to look at.
    names = ["services", "pipeline", "observability"]
    folders = ["compute", "eventing", "eventing"]
    hooks = [
        guard(project, f"dev/{folder}/{name}") for folder, name in zip(folders, names, strict=True)
    ]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda hook: hook.run(), hooks))


def test_what_an_earlier_command_began_is_waited_for_before_the_deletion(
    project: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hooks.stacks.POLL_SECONDS", 0)
    record_own_stack(recorded, project, "UPDATE_IN_PROGRESS", PIPELINE)
    recorded["cloudformation"].add_response("describe_stacks", {"Stacks": []}, {})
    for status in ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"):
        record_own_stack(recorded, project, status, PIPELINE)
    guard(project, PIPELINE).run()


@pytest.mark.parametrize("status", NEVER_CREATED)
def test_what_a_failed_launch_left_may_go_even_where_nothing_else_may(
    project: Any, recorded: Any, status: str
) -> None:
    forbid(project)
    record_own_stack(recorded, project, status)
    guard(project).run()


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_FAILED"])
def test_a_stack_that_stood_once_may_not(project: Any, recorded: Any, status: str) -> None:
    forbid(project)
    record_own_stack(recorded, project, status)
    with pytest.raises(UserError, match="allow_destruction: false"):
        guard(project).run()


@pytest.mark.usefixtures("on_local_aws")
def test_launch_recreates_a_rolled_back_stack_where_destruction_is_not_allowed(
    project: Any, deploy: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(project)
    file = project.folder / "config" / "dev" / "storage" / "queues.yaml"
    _, hooks = file.read_text().split("hooks:")
    file.write_text(f"template: {{ path: topic.yaml }}\nhooks:{hooks}")
    template = project.folder / "templates" / "topic.yaml"
    template.parent.mkdir()
    template.write_text(
        "Parameters: {EnvironmentSuffix: {Type: String}}\n"
        "Resources: {Topic: {Type: 'AWS::SNS::Topic'}}\n"
    )
    stack = project.stack(QUEUES)
    broken = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "No Such Name"}}}
    assert deploy(stack, broken) == "ROLLBACK_COMPLETE"
    monkeypatch.setattr(actions.time, "sleep", lambda _: None)
    monkeypatch.chdir(project.folder)
    assert StackActions(stack).launch() == "complete"


def test_a_stack_stays_while_one_that_needs_it_could_not_be_deleted(
    project: Any, deploy: Callable[..., str], client: Callable[[str], Any], status_of: Any
) -> None:
    pipeline = project.stack(PIPELINE)
    deploy(pipeline, BUCKET, {"Name": {"Ref": "Bucket"}})
    cloudformation = client("cloudformation")
    (made,) = cloudformation.describe_stacks(StackName=pipeline.external_name)["Stacks"]
    client("s3").put_object(Bucket=made["Outputs"][0]["OutputValue"], Key="left", Body=b"x")
    cloudformation.delete_stack(StackName=pipeline.external_name)
    assert status_of(cloudformation, pipeline) == "DELETE_FAILED"
    with pytest.raises(UserError) as refused:
        guard(project, "dev/storage/buckets").run()
    assert str(refused.value).startswith(
        f"config/{PIPELINE}.yaml: its stack could not be deleted, so config/dev/storage/buckets"
    )
    assert "What failed: Bucket (" in str(refused.value)
    # The failed one itself may be tried again, and so may what it does not need.
    guard(project, PIPELINE).run()
    guard(project, "dev/eventing/observability").run()
