from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.registry_client import (
    digest_of,
    layer,
    push_blob,
    push_image,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make(clients: Any, unique: str) -> Callable[..., Any]:
    def repository(name: str = unique, **options: Any) -> Any:
        return clients.ecr.create_repository(repositoryName=name, **options)["repository"]

    return repository


def test_the_registry_names_itself(clients: Any, aws: Any, make: Callable[..., Any]) -> None:
    repository = make()
    assert repository["repositoryUri"] == f"{aws.registry}/{repository['repositoryName']}"
    (authorization,) = clients.ecr.get_authorization_token()["authorizationData"]
    assert authorization["proxyEndpoint"] == f"http://{aws.registry}"
    user, _, password = base64.b64decode(authorization["authorizationToken"]).partition(b":")
    assert (user, bool(password)) == (b"AWS", True)
    status, headers, _ = request("GET", f"{authorization['proxyEndpoint']}/v2/")
    assert status == 200
    assert headers["docker-distribution-api-version"] == "registry/2.0"


def test_what_is_pushed_can_be_asked_for_by_tag_and_by_digest(
    clients: Any, aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make()
    content = layer({"a": "b" * 1000})
    digest = push_image(aws.endpoint, unique, "1", {"Env": ["A=b"]}, [content])
    for reference in ("1", digest):
        for method in ("HEAD", "GET"):
            url = f"{aws.endpoint}/v2/{unique}/manifests/{reference}"
            status, headers, body = request(method, url)
            assert status == 200
            assert headers["docker-content-digest"] == digest
            assert digest_of(body) == digest or method == "HEAD"
    url = f"{aws.endpoint}/v2/{unique}/blobs/{digest_of(content)}"
    status, headers, body = request("HEAD", url)
    assert (status, int(headers["content-length"]), body) == (200, len(content), b"")
    assert request("GET", url)[2] == content
    (detail,) = clients.ecr.describe_images(repositoryName=unique, imageIds=[{"imageTag": "1"}])[
        "imageDetails"
    ]
    assert detail["imageDigest"] == digest
    assert detail["imageSizeInBytes"] > len(content)
    (image,) = clients.ecr.batch_get_image(repositoryName=unique, imageIds=[{"imageTag": "1"}])[
        "images"
    ]
    assert image["imageId"] == {"imageTag": "1", "imageDigest": digest}
    assert json.loads(image["imageManifest"])["layers"][0]["digest"] == digest_of(content)


def test_what_is_not_there_is_said_as_ecr_says_it(
    clients: Any, aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make()
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        clients.ecr.describe_images(repositoryName=unique, imageIds=[{"imageTag": "none"}])
    (failure,) = clients.ecr.batch_get_image(
        repositoryName=unique, imageIds=[{"imageTag": "none"}]
    )["failures"]
    assert failure["failureCode"] == "ImageNotFound"
    assert request("HEAD", f"{aws.endpoint}/v2/{unique}/manifests/none")[0] == 404
    missing = "sha256:" + "0" * 64
    assert request("HEAD", f"{aws.endpoint}/v2/{unique}/blobs/{missing}")[0] == 404


def test_a_manifest_may_name_only_blobs_that_were_pushed(
    aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make()
    missing = "sha256:" + "1" * 64
    config = push_blob(aws.endpoint, unique, b"{}")
    manifest = {
        "schemaVersion": 2,
        "config": {"digest": config, "size": 2},
        "layers": [{"digest": missing, "size": 1}],
    }
    status, _, body = request(
        "PUT",
        f"{aws.endpoint}/v2/{unique}/manifests/1",
        json.dumps(manifest).encode(),
        "application/vnd.oci.image.manifest.v1+json",
    )
    assert status == 400
    assert json.loads(body)["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_an_immutable_tag_stays_with_its_image(
    aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make(imageTagMutability="IMMUTABLE")
    push_image(aws.endpoint, unique, "1", {}, [layer({"a": "1"})])
    with pytest.raises(AssertionError, match="TAG_INVALID"):
        push_image(aws.endpoint, unique, "1", {}, [layer({"a": "2"})])


def test_a_blob_is_mounted_from_another_repository_and_outlives_it(
    clients: Any, aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make(f"{unique}-from")
    make(f"{unique}-to")
    content = layer({"shared": "x"})
    digest = push_blob(aws.endpoint, f"{unique}-from", content)
    url = f"{aws.endpoint}/v2/{unique}-to/blobs/uploads/?mount={digest}&from={unique}-from"
    assert request("POST", url)[0] == 201
    clients.ecr.delete_repository(repositoryName=f"{unique}-from", force=True)
    assert request("GET", f"{aws.endpoint}/v2/{unique}-to/blobs/{digest}")[2] == content
    clients.ecr.delete_repository(repositoryName=f"{unique}-to", force=True)
    assert not (aws.directory.blobs / digest.replace(":", "/")).exists()


def test_only_the_last_images_are_kept_and_the_layers_that_they_need(
    clients: Any, aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make()
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2},
        "action": {"type": "expire"},
    }
    clients.ecr.put_lifecycle_policy(
        repositoryName=unique, lifecyclePolicyText=json.dumps({"rules": [rule]})
    )
    shared = layer({"all": unique})
    layers = [layer({unique: str(number)}) for number in range(4)]
    started = push_blob(aws.endpoint, unique, layer({"of a push under way": unique}))
    for number in range(4):
        push_image(aws.endpoint, unique, str(number), {}, [shared, layers[number]])
    details = clients.ecr.describe_images(repositoryName=unique)["imageDetails"]
    assert sorted(tag for detail in details for tag in detail["imageTags"]) == ["2", "3"]
    assert request("GET", f"{aws.endpoint}/v2/{unique}/manifests/0")[0] == 404
    for kept in (started, *map(digest_of, [shared, *layers[2:]])):
        assert request("HEAD", f"{aws.endpoint}/v2/{unique}/blobs/{kept}")[0] == 200
    for gone in map(digest_of, layers[:2]):
        assert request("HEAD", f"{aws.endpoint}/v2/{unique}/blobs/{gone}")[0] == 404
        assert not (aws.directory.blobs / gone.replace(":", "/")).exists()


def test_a_repository_with_images_is_not_deleted_without_force(
    clients: Any, aws: Any, make: Callable[..., Any], unique: str
) -> None:
    make()
    push_image(aws.endpoint, unique, "1", {}, [])
    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        clients.ecr.delete_repository(repositoryName=unique)
    clients.ecr.delete_repository(repositoryName=unique, force=True)
