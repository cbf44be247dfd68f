from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from imaging.manifests import MANIFEST, Document
from imaging.registry.authentication import Credentials
from imaging.registry.client import Registry
from imaging.registry.errors import RegistryError, RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOB = b"layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
CREDENTIALS = Credentials("AWS", "secret")


def registry(behaviour: Any, credentials: Credentials | None = CREDENTIALS) -> Registry:
    return Registry(behaviour.address, credentials, pause=0.01)


def test_a_blob_is_uploaded_once_from_a_file(behaviour: Any, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    registry(behaviour).push_blob("team/app", DIGEST, path)
    registry(behaviour).push_blob("team/app", DIGEST, path)
    assert behaviour.blobs == {("team/app", DIGEST): BLOB}
    assert [line.split()[0] for line in behaviour.requests] == ["HEAD", "POST", "PUT", "HEAD"]


def test_a_blob_of_another_repository_is_mounted(behaviour: Any) -> None:
    behaviour.blobs["team/other", DIGEST] = BLOB
    registry(behaviour).push_blob("team/app", DIGEST, b"not sent", "team/other")
    assert behaviour.blobs["team/app", DIGEST] == BLOB
    assert not [line for line in behaviour.requests if line.startswith("PUT")]


def test_where_mounting_does_not_work_the_blob_is_uploaded(behaviour: Any) -> None:
    registry(behaviour).push_blob("team/app", DIGEST, BLOB, "team/other")
    assert behaviour.blobs["team/app", DIGEST] == BLOB


def test_basic_credentials_are_sent_and_no_netrc_replaces_them(
    behaviour: Any,
    basic: Callable[[str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    behaviour.user = basic("AWS", "secret")
    registry(behaviour).push_blob("app", DIGEST, BLOB)
    assert behaviour.blobs["app", DIGEST] == BLOB


@pytest.mark.parametrize("token", [None, "bought"])
def test_wrong_credentials_are_one_clear_error(
    behaviour: Any, basic: Callable[[str, str], str], token: str | None
) -> None:
    behaviour.user, behaviour.token = basic("AWS", "right"), token
    with pytest.raises(RegistryError, match=r"refuses to .*Check the credentials") as refused:
        registry(behaviour).push_blob("app", DIGEST, BLOB)
    assert refused.value.status == 401
    assert behaviour.address in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_bearer_challenge_is_answered_and_the_token_used_again(
    behaviour: Any, basic: Callable[[str, str], str]
) -> None:
    behaviour.user, behaviour.token = basic("AWS", "secret"), "bought"
    client = registry(behaviour)
    client.push_blob("team/app", DIGEST, BLOB)
    client.put_manifest("team/app", "1", b"{}", MANIFEST)
    assert behaviour.scopes == ["repository:team/app:pull,push"]


def test_anonymous_reading_buys_a_token_for_reading(behaviour: Any) -> None:
    behaviour.token = "public"  # noqa: S105  # no secret: anybody may have it
    behaviour.manifests["team/base", "1"] = (b'{"a": 1}', MANIFEST)
    assert registry(behaviour, None).manifest("team/base", "1") == Document(b'{"a": 1}')
    assert behaviour.scopes == ["repository:team/base:pull"]


def test_a_refused_push_says_what_the_registry_says(behaviour: Any) -> None:
    behaviour.deny_pushes = True
    with pytest.raises(RegistryError, match=r"DENIED not yours \(HTTP 403\)") as refused:
        registry(behaviour).push_blob("team/app", DIGEST, BLOB)
    assert "take a layer into team/app" in str(refused.value)
    assert len([line for line in behaviour.requests if line.startswith("POST")]) == 1


def test_a_registry_that_is_busy_is_asked_again(behaviour: Any) -> None:
    behaviour.fail_first = 3
    registry(behaviour).push_blob("app", DIGEST, BLOB)
    assert behaviour.blobs["app", DIGEST] == BLOB


def test_a_registry_that_stays_busy_is_an_error(behaviour: Any) -> None:
    behaviour.fail_first = 100
    with pytest.raises(RegistryError, match=r"\(HTTP 503\)"):
        registry(behaviour).has_blob("app", DIGEST)


def test_an_upload_that_breaks_off_starts_over_whole(behaviour: Any, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    behaviour.drop_uploads = 2
    registry(behaviour).push_blob("app", DIGEST, path)
    assert behaviour.blobs["app", DIGEST] == BLOB


def test_a_download_that_breaks_off_is_one_clear_error(behaviour: Any) -> None:
    behaviour.blobs["team/app", DIGEST] = BLOB
    behaviour.drop_downloads = 1
    client = registry(behaviour)
    with (
        pytest.raises(RegistryUnreachableError, match=rf"to the end.* give {DIGEST} of team/app"),
        client.blob("team/app", DIGEST) as pieces,
    ):
        b"".join(pieces)


def test_bytes_that_are_not_their_digest_are_refused(behaviour: Any) -> None:
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        registry(behaviour).push_blob("app", DIGEST, b"other")


def test_nobody_answering_is_one_clear_error(free_address: str) -> None:
    client = Registry(free_address, pause=0.01)
    with pytest.raises(RegistryUnreachableError, match=f"{free_address} does not answer"):
        client.manifest("app", "1")


def test_a_proxy_for_the_world_is_not_asked_for_this_machine(
    behaviour: Any, free_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{free_address}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert registry(behaviour).has_blob("app", DIGEST) is False


def test_credentials_do_not_show_their_password() -> None:
    assert "secret" not in repr(CREDENTIALS)
