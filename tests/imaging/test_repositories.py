from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from fargate_batch.errors import UserError
from imaging import repositories
from imaging.repositories import Access


@pytest.fixture
def stubbed() -> Any:
    # The keys are nobody's: the stubber answers in AWS's place.
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    ecr: Any = boto3.client("ecr", "eu-west-1", **keys)  # type: ignore[call-overload]
    with Stubber(ecr) as stubber:
        yield ecr, stubber


def test_only_the_tags_that_are_there_have_digests(target: Any) -> None:
    assert repositories.digests(target.ecr, target.name("data-ingestion"), ["a", "b"]) == {}


def test_an_answer_that_is_no_answer_is_an_error(stubbed: Any) -> None:
    ecr, stubber = stubbed
    failure = {"failureCode": "KmsError", "failureReason": "the key is disabled"}
    stubber.add_response("batch_get_image", {"images": [], "failures": [failure]})
    with pytest.raises(UserError, match="cannot say what app holds: the key is disabled"):
        repositories.digests(ecr, "app", ["a"])


@pytest.mark.parametrize(
    ("endpoint", "host", "scheme"),
    [
        ("https://1.dkr.ecr.eu-west-1.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com", "https"),
        ("http://localhost:4566", "localhost:4566", "http"),
        ("https://localhost:4566", "localhost:4566", "https"),
        ("https://proxy.example.com", "1.dkr.ecr.eu-west-1.amazonaws.com", "https"),
        ("https://proxy.example.com", "localhost:5000", "http"),
    ],
)
def test_the_registry_is_spoken_to_as_it_says_itself(
    stubbed: Any, endpoint: str, host: str, scheme: str
) -> None:
    ecr, stubber = stubbed
    data = {"authorizationToken": "QVdTOnNlY3JldDp4", "proxyEndpoint": endpoint}
    stubber.add_response("get_authorization_token", {"authorizationData": [data]})
    access = Access(ecr)
    assert access.scheme(host) == scheme
    assert (access.credentials.user, access.credentials.password) == ("AWS", "secret:x")
