from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.errors import ObjectConflictError, ObjectGoneError
from batchkit.storage import Storage, to_json
from botocore.exceptions import ClientError, ReadTimeoutError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.images.conftest import Place


@pytest.fixture
def storage(place: Place) -> Storage:
    return place.context("data-ingestion").storage


def test_an_object_is_written_once(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert storage.put_once("a", b"one", "text/plain")
    assert not storage.put_once("a", b"one", "text/plain")
    assert not storage.put_file_once("a", path, "text/plain")
    with pytest.raises(ObjectConflictError, match="other bytes"):
        storage.put_once("a", b"two", "text/plain")
    path.write_bytes(b"two")
    with pytest.raises(ObjectConflictError, match="other bytes"):
        storage.put_file_once("a", path, "text/plain")
    assert storage.put_file_once("b", path, "text/plain")
    assert storage.read_output("a") == b"one"
    assert storage.read_output("b") == b"two"


@pytest.mark.parametrize(("conflicts", "written"), [(1, True), (4, True), (5, False)])
def test_a_write_that_meets_another_one_is_repeated(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, conflicts: int, *, written: bool
) -> None:
    put, refusals = storage.client.put_object, iter(range(conflicts))
    waits: list[float] = []

    def conflicting(**request: Any) -> Any:
        if next(refusals, None) is None:
            return put(**request)
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")

    monkeypatch.setattr(storage.client, "put_object", conflicting)
    monkeypatch.setattr(time, "sleep", waits.append)
    if written:
        assert storage.put_once("a", b"one", "text/plain")
        assert storage.read_output("a") == b"one"
    else:
        with pytest.raises(ClientError, match="ConditionalRequestConflict"):
            storage.put_once("a", b"one", "text/plain")
    assert waits == [0.5, 1, 2, 4][:conflicts]


def test_a_version_is_read_though_there_is_a_newer_one(storage: Storage, place: Place) -> None:
    first = place.upload("k", b"first")
    place.upload("k", b"second")
    assert storage.read(place.input_bucket, "k", first.version_id) == b"first"
    assert storage.read(place.input_bucket, "k") == b"second"
    storage.copy_to_output(place.input_bucket, "k", first.version_id, "copy")
    assert storage.read_output("copy") == b"first"
    assert storage.describe(place.input_bucket, "k", first.version_id).size == 5


@pytest.mark.parametrize(("broken", "read"), [(1, True), (3, True), (4, False)])
def test_an_object_whose_bytes_stop_coming_is_read_again(
    storage: Storage, place: Place, monkeypatch: pytest.MonkeyPatch, broken: int, *, read: bool
) -> None:
    place.upload("k", b"first")
    get, breaks = storage.client.get_object, iter(range(broken))

    class Stopping:
        def read(self) -> bytes:
            raise ReadTimeoutError(endpoint_url="http://nowhere")

    def stopping(**request: Any) -> Any:
        return get(**request) if next(breaks, None) is None else {"Body": Stopping()}

    monkeypatch.setattr(storage.client, "get_object", stopping)
    if read:
        assert storage.read(place.input_bucket, "k") == b"first"
    else:
        with pytest.raises(ReadTimeoutError):
            storage.read(place.input_bucket, "k")


def test_what_is_gone_is_named(storage: Storage, place: Place) -> None:
    event = place.upload("k", b"first")
    s3 = place.session.client("s3")
    with pytest.raises(ObjectGoneError, match=r"s3://.*/missing does not exist\."):
        storage.read(place.input_bucket, "missing")
    with pytest.raises(ObjectGoneError):
        storage.describe(place.input_bucket, "missing")
    s3.delete_object(Bucket=place.input_bucket, Key="k")
    with pytest.raises(ObjectGoneError):
        storage.read(place.input_bucket, "k")
    assert storage.read(place.input_bucket, "k", event.version_id) == b"first"
    s3.delete_object(Bucket=place.input_bucket, Key="k", VersionId=str(event.version_id))
    with pytest.raises(ObjectGoneError, match=f"in version {event.version_id}"):
        storage.read(place.input_bucket, "k", event.version_id)
    with pytest.raises(ObjectGoneError):
        storage.copy_to_output(place.input_bucket, "k", event.version_id, "copy")


def test_json_has_no_value_that_json_lacks() -> None:
    assert to_json({"é": 1}) == '{\n  "é": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))
