from __future__ import annotations

import json
from typing import Any

import pytest
from batchkit import events
from batchkit.errors import BadEventError
from batchkit.events import S3Event


def created(key: str = "positions/a.csv", **changes: Any) -> dict[str, Any]:
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "input"},
            "object": {"key": key, "version-id": "v1", "sequencer": "00A1"},
        },
        **changes,
    }


def test_the_environment_names_the_object() -> None:
    event = events.from_environment(
        {
            "EVENT_BUCKET": "input",
            "EVENT_KEY": "positions/a.csv",
            "EVENT_VERSION_ID": "v1",
            "EVENT_SEQUENCER": "00A1",
        }
    )
    assert event == S3Event("input", "positions/a.csv", "v1", "00A1")


@pytest.mark.parametrize("version", ["", "null"])
def test_a_bucket_without_versions_gives_none(version: str) -> None:
    event = events.from_environment(
        {"EVENT_BUCKET": "input", "EVENT_KEY": "k", "EVENT_VERSION_ID": version}
    )
    assert event.version_id is None


def test_an_environment_without_an_event_says_what_is_missing() -> None:
    with pytest.raises(BadEventError, match="EVENT_BUCKET and EVENT_KEY not set"):
        events.from_environment({})


@pytest.mark.parametrize(
    "key",
    ["a b.csv", "a+b%20c.csv", "日本/ü.csv", "x" * 1024],
    ids=["space", "plus", "uni", "long"],
)
def test_a_message_keeps_the_key_as_it_is(key: str) -> None:
    event = events.from_message(json.dumps(created(key)))
    assert event == S3Event("input", key, "v1", "00A1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("not json", "is no JSON"),
        ("[1]", "no JSON object"),
        (json.dumps(created(source="aws.ecs")), "not S3's 'Object Created' event"),
        (json.dumps(created(**{"detail-type": "Object Deleted"})), "'Object Deleted'"),
        (json.dumps(created(detail={"bucket": "input"})), "names no bucket or no object key"),
        (json.dumps(created("")), "names no bucket or no object key"),
    ],
)
def test_another_message_is_refused_with_its_reason(body: str, message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        events.from_message(body)
