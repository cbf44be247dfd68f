from __future__ import annotations

import pytest

from fargate_batch.errors import UserError
from imaging import references

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "identifier"),
    [
        ("python", "docker.io", "library/python", "latest"),
        ("python:3.13-slim", "docker.io", "library/python", "3.13-slim"),
        ("team/python", "docker.io", "team/python", "latest"),
        ("localhost/python", "localhost", "python", "latest"),
        ("localhost:5000/a/b:1", "localhost:5000", "a/b", "1"),
        (f"public.ecr.aws/docker/python:3.13@{DIGEST}", "public.ecr.aws", "docker/python", DIGEST),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a-b/c_d",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "a-b/c_d",
            "latest",
        ),
    ],
)
def test_names_are_taken_apart_with_dockers_defaults(
    text: str, registry: str, repository: str, identifier: str
) -> None:
    found = references.parse(text)
    assert (found.registry, found.repository, found.identifier) == (
        registry,
        repository,
        identifier,
    )


def test_dockers_registry_answers_under_another_name() -> None:
    assert references.parse("python").host == "registry-1.docker.io"


@pytest.mark.parametrize("text", ["", "Python", "a b", "http://x/y", "a:b:c", "x@sha256:12"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no image name"):
        references.parse(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:4566", True),
        ("localhost", True),
        ("127.0.0.1:80", True),
        ("[::1]:80", True),
        ("registry.localhost:1", True),
        ("10.0.0.1:80", False),
        ("public.ecr.aws", False),
        ("localhost.example.com", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    assert references.is_loopback(host) is expected
