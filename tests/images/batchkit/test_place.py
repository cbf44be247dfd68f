from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from batchkit.errors import BadEnvironmentError
from batchkit.place import Place, Route, keep_queues_active, read_routes
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st


def route(pattern: str) -> Route:
    return Route("s", "output", pattern, "q")


@pytest.mark.parametrize(
    ("pattern", "prefix", "heard", "not_heard"),
    [
        ("positions/*", "positions/", ["positions/", "positions/a/b\nc.csv"], ["Positions/a"]),
        (
            "runs/*/shards/*.parquet",
            "runs/",
            ["runs/r/shards/0.parquet", "runs/a/b/shards/.parquet"],
            ["runs/r/shards/0.parquet2", "runs//shards.parquet", "xruns/r/shards/0.parquet"],
        ),
        ("in/x.csv", "in/x.csv", ["in/x.csv"], ["in/xxcsv", "in/x.csv/"]),
        (r"a\*b\\*", "a*b\\", ["a*b\\", "a*b\\c"], ["aXb\\"]),
        ("*.csv", "", ["a.csv"], ["a.csvx"]),
        ("a?[b]*", "a?[b]", ["a?[b]c"], ["aX[b]c", "ab"]),
    ],
)
def test_a_route_hears_what_its_rule_hears(
    pattern: str, prefix: str, heard: list[str], not_heard: list[str]
) -> None:
    assert route(pattern).prefix == prefix
    assert [key for key in heard if not route(pattern).matches(key)] == []
    assert [key for key in not_heard if route(pattern).matches(key)] == []


@given(st.lists(st.text("ab*\\./", max_size=4), min_size=1, max_size=4), st.text(max_size=5))
def test_any_texts_joined_by_wildcards_match_what_is_between_them(
    texts: list[str], between: str
) -> None:
    escaped = [text.replace("\\", "\\\\").replace("*", "\\*") for text in texts]
    one = route("*".join(escaped))
    assert one.matches(between.join(texts))
    assert between.join(texts).startswith(one.prefix)


def test_the_routes_are_read_from_their_variable() -> None:
    row = {"name": "s", "bucket": "input", "key_pattern": "positions/*", "queue_url": "https://q"}
    assert read_routes(json.dumps([row])) == (Route("s", "input", "positions/*", "https://q"),)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"name": "s"}]', '[{"name": "s", "bucket": "other"}]', "3"]
)
def test_routes_that_cannot_be_read_are_named(text: str) -> None:
    with pytest.raises(BadEnvironmentError, match="STAGES must be a JSON list"):
        read_routes(text)


def test_every_stages_queue_is_asked_for_so_that_it_stays_active() -> None:
    sqs = boto3.Session(region_name="eu-west-1").client("sqs")
    nothing: Any = None
    routes = tuple(replace(route("*"), queue_url=f"https://sqs/{name}") for name in "ab")
    place = Place(nothing, sqs, nothing, "input", "output", "ledger", routes)
    with Stubber(sqs) as answers:
        for each in routes:
            wanted = {
                "QueueUrl": each.queue_url,
                "AttributeNames": ["ApproximateNumberOfMessages"],
            }
            answers.add_response("get_queue_attributes", {}, wanted)
        keep_queues_active(place)
        answers.assert_no_pending_responses()
