from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batchkit.errors import ObjectConflictError
from batchkit.uploads import Uploads
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from batchkit.storage import Storage

    from tests.images.conftest import Place


@pytest.fixture
def storage(place: Place) -> Storage:
    return place.context("data-ingestion").storage


def objects(storage: Storage) -> list[str]:
    return list(storage.find(storage.output_bucket, ""))


def under_way(storage: Storage) -> list[str]:
    answer = storage.client.list_multipart_uploads(Bucket=storage.output_bucket)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


def send(storage: Storage, contents: dict[str, bytes]) -> None:
    with Uploads(storage, "text/plain") as uploads:
        for key, content in contents.items():
            uploads.send(key, content)
        uploads.complete()


def break_off(storage: Storage) -> None:
    with Uploads(storage, "text/plain") as uploads:
        uploads.send("a", b"one")
        raise ValueError("why")


def test_objects_appear_when_completed_in_the_order_in_which_they_were_sent(
    storage: Storage,
) -> None:
    completed: list[str] = []
    hook = "before-parameter-build.s3.CompleteMultipartUpload"
    events = storage.client.meta.events
    events.register(hook, lambda params, **_: completed.append(params["Key"]), "seen")
    with Uploads(storage, "text/plain") as uploads:
        uploads.send("b", b"one")
        uploads.send("a", b"two")
        assert (objects(storage), under_way(storage)) == ([], ["a", "b"])
        uploads.complete()
    events.unregister(hook, unique_id="seen")
    assert completed == ["b", "a"]
    assert (objects(storage), under_way(storage)) == (["a", "b"], [])
    assert storage.read_output("b") == b"one"
    head = storage.client.head_object(Bucket=storage.output_bucket, Key="b")
    assert head["ContentType"] == "text/plain"


def test_what_is_not_completed_is_taken_back_and_the_error_stays(storage: Storage) -> None:
    with pytest.raises(ValueError, match="why"):
        break_off(storage)
    assert (objects(storage), under_way(storage)) == ([], [])


def test_an_object_that_exists_with_the_same_bytes_stays_as_it_is(
    storage: Storage, place: Place
) -> None:
    storage.put_once("a", b"one", "text/plain")
    before = place.written("a").version_id
    send(storage, {"a": b"one", "b": b"two"})
    assert place.written("a").version_id == before
    assert (objects(storage), under_way(storage)) == (["a", "b"], [])


def test_an_object_that_exists_with_other_bytes_is_not_overwritten(storage: Storage) -> None:
    storage.put_once("a", b"one", "text/plain")
    with pytest.raises(ObjectConflictError, match="other bytes"):
        send(storage, {"a": b"other", "b": b"two"})
    assert storage.read_output("a") == b"one"
    assert (objects(storage), under_way(storage)) == (["a"], [])


def test_a_part_that_cannot_be_sent_leaves_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "UploadPart")

    monkeypatch.setattr(storage.client, "upload_part", refuse)
    with pytest.raises(ClientError, match="SlowDown"):
        send(storage, {"a": b"one"})
    assert under_way(storage) == []


def test_an_upload_that_cannot_be_taken_back_does_not_hide_the_error(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "AbortMultipartUpload")

    monkeypatch.setattr(storage.client, "abort_multipart_upload", refuse)
    with pytest.raises(ValueError, match="why"):
        break_off(storage)
    assert "The upload of a could not be taken back." in caplog.text


def test_what_another_attempt_left_is_taken_back_below_its_prefix_only(storage: Storage) -> None:
    for key in ("runs/a/shards/00000.parquet", "runs/b/shards/00000.parquet"):
        storage.client.create_multipart_upload(Bucket=storage.output_bucket, Key=key)
    Uploads(storage, "text/plain").abort_left("runs/a/shards/")
    assert under_way(storage) == ["runs/b/shards/00000.parquet"]


def test_an_object_whose_completion_was_not_answered_is_complete(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = storage.client.complete_multipart_upload

    def complete_unheard(**request: Any) -> None:
        complete(**request)
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(storage.client, "complete_multipart_upload", complete_unheard)
    send(storage, {"a": b"one", "b": b"two"})
    assert (storage.read_output("a"), storage.read_output("b")) == (b"one", b"two")


def test_an_upload_that_a_later_attempt_took_back_is_not_completed(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    def send_and_lose() -> None:
        with Uploads(storage, "text/plain") as uploads:
            uploads.send("a", b"one")
            Uploads(storage, "text/plain").abort_left("a")
            uploads.complete()

    with pytest.raises(ClientError, match="NoSuchUpload"):
        send_and_lose()
    assert objects(storage) == []
    assert caplog.text == ""


def test_what_another_takes_back_at_the_same_time_is_taken_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.client.create_multipart_upload(Bucket=storage.output_bucket, Key="a")
    abort = storage.client.abort_multipart_upload

    def abort_twice(**request: Any) -> None:
        abort(**request)
        abort(**request)

    monkeypatch.setattr(storage.client, "abort_multipart_upload", abort_twice)
    Uploads(storage, "text/plain").abort_left("a")
    assert under_way(storage) == []
