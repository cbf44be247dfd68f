from __future__ import annotations

import json
from typing import Any

import pytest
from batchkit import events
from batchkit.errors import BadEventError
from batchkit.events import S3Event
from hypothesis import given
from hypothesis import strategies as st


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
        }
    )
    assert event == S3Event("input", "positions/a.csv", "v1")


@pytest.mark.parametrize("version", ["", "null"])
def test_a_bucket_without_versions_gives_none(version: str) -> None:
    event = events.from_environment(
        {"EVENT_BUCKET": "input", "EVENT_KEY": "k", "EVENT_VERSION_ID": version}
    )
    assert event.version_id is None


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256).filter(
    lambda key: len(key.encode()) <= 1024
)


def failed_task(environment: list[dict[str, str]], **detail: Any) -> str:
    """ECS's event of a task that EventBridge ran; the fields that matter, and one that does not."""
    return json.dumps(
        {
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "detail": {
                "group": "family:fargate-batch-risk-calculation-dev",
                "lastStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "risk-calculation", "exitCode": 137, "reason": "OOM"}],
                "overrides": {
                    "containerOverrides": [
                        {"name": "sidecar"},
                        {
                            "name": "risk-calculation",
                            "command": ["run"],
                            "environment": environment,
                        },
                    ]
                },
                **detail,
            },
        }
    )


@given(KEYS)
def test_every_key_survives_a_message(key: str) -> None:
    event = S3Event("input", key, "v1")
    assert events.from_message(event.to_message()) == event
    assert event.to_message().isascii()


@given(KEYS, st.sampled_from(["v1", "null", ""]))
def test_a_failed_task_returns_the_object_that_it_was_run_for(key: str, version: str) -> None:
    body = failed_task(
        [
            {"name": "EVENT_BUCKET", "value": "input"},
            {"name": "EVENT_KEY", "value": key},
            {"name": "EVENT_VERSION_ID", "value": version},
        ]
    )
    event = events.from_message(body)
    assert event == S3Event("input", key, "v1" if version == "v1" else None)
    assert event.failure == (
        "EssentialContainerExited, Essential container in task exited, exit code 137, OOM"
    )


def test_a_task_that_never_started_returns_its_object_too() -> None:
    event = events.from_message(
        failed_task(
            [{"name": "EVENT_BUCKET", "value": "b"}, {"name": "EVENT_KEY", "value": "k"}],
            stopCode="TaskFailedToStart",
            stoppedReason="CannotPullContainerError",
            containers=[{"name": "risk-calculation"}],
        )
    )
    assert event == S3Event("b", "k")
    assert event.failure == "TaskFailedToStart, CannotPullContainerError"


@pytest.mark.parametrize(
    "body",
    [
        failed_task([]),
        failed_task([{"name": "EVENT_BUCKET", "value": "b"}]),
        failed_task([], overrides={}),
        failed_task([], overrides=None),
        failed_task([], overrides={"containerOverrides": ["x"]}),
    ],
)
def test_a_failed_task_without_an_object_is_refused_with_its_reason(body: str) -> None:
    with pytest.raises(BadEventError, match=r"was not run for an object \(EssentialContainer"):
        events.from_message(body)


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
    assert event == S3Event("input", key, "v1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("not json", "is no JSON"),
        ("[1]", "no JSON object"),
        (json.dumps(created(source="aws.ecs")), "neither S3's 'Object Created' event nor"),
        (json.dumps(created(**{"detail-type": "Object Deleted"})), "'Object Deleted'"),
        (json.dumps(created(detail={"bucket": "input"})), "names no bucket or no object key"),
        (json.dumps(created("")), "names no bucket or no object key"),
    ],
)
def test_another_message_is_refused_with_its_reason(body: str, message: str) -> None:
    with pytest.raises(BadEventError, match=message):
        events.from_message(body)
