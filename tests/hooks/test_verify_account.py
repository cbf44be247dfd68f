from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from hooks.verify_account import VerifyAccount
from local.testing import free_port

if TYPE_CHECKING:
    from pathlib import Path

QUEUES = "dev/storage/queues"
OURS = "123456789012"


def hook_of(project: Any) -> VerifyAccount:
    hook: VerifyAccount = project.hook(QUEUES, "before_launch", VerifyAccount)
    return hook


def declare(project: Any, account: str) -> None:
    project.edit("dev/config.yaml", "account_id: ~", f"account_id: '{account}'")


@pytest.mark.usefixtures("on_local_aws")
def test_the_declared_account_passes(project: Any) -> None:
    declare(project, OURS)
    hook_of(project).run()


@pytest.mark.usefixtures("on_local_aws")
def test_any_account_passes_where_none_is_declared(project: Any) -> None:
    hook_of(project).run()


@pytest.mark.usefixtures("on_local_aws")
def test_another_account_is_refused_with_both_numbers(project: Any) -> None:
    declare(project, "999999999999")
    with pytest.raises(UserError) as refused:
        hook_of(project).run()
    assert str(refused.value).startswith(f"The credentials are account {OURS}'s, but config/dev/")
    assert "account_id: 999999999999. Nothing was touched." in str(refused.value)


def test_missing_credentials_are_named(
    project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UserError, match=r"nothing was touched\. There are no AWS credentials\."):
        hook_of(project).run()


def test_an_unknown_profile_is_named(
    project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    project.edit("dev/config.yaml", "region: eu-west-1", "region: eu-west-1\nprofile: nobody")
    with pytest.raises(UserError, match=r"\(nobody\) could not be found"):
        hook_of(project).run()


def test_refused_credentials_are_told_apart_from_missing_ones(project: Any, recorded: Any) -> None:
    recorded["sts"].add_client_error("get_caller_identity", "ExpiredToken", "it expired", 403)
    with pytest.raises(UserError, match=r"AWS refuses the credentials \(ExpiredToken: it expired"):
        hook_of(project).run()


@pytest.mark.usefixtures("on_local_aws")
def test_an_endpoint_that_does_not_answer_is_named_within_seconds(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    began = time.monotonic()
    with pytest.raises(UserError, match=rf"cannot be reached: .*{endpoint}.* `make local-up`"):
        hook_of(project).run()
    assert time.monotonic() - began < 10


def test_all_stacks_of_a_process_ask_once(project: Any, recorded: Any) -> None:
    recorded["sts"].add_response("get_caller_identity", {"Account": OURS}, {})
    declare(project, OURS)
    hooks = [hook_of(project) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda hook: hook.run(), hooks))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_region_that_aws_has_not_stops_the_reading_of_the_stacks(
    project: Any, environment: str
) -> None:
    project.edit(f"{environment}/config.yaml", "region: eu-west-1", "region: mars-1")
    with pytest.raises(
        UserError, match=rf"^config/{environment}/config\.yaml: region: AWS has no region 'mars-1'"
    ):
        project.stack(f"{environment}/storage/queues")
