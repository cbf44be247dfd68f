"""The environment's image repositories in ECR: which images they hold, and how to get in."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fargate_batch.errors import UserError
from imaging import manifests, references
from imaging.registry.authentication import Credentials
from imaging.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ecr import ECRClient

_NOT_THERE: Final = "ImageNotFound"


def digests(ecr: ECRClient, repository: str, tags: Sequence[str]) -> dict[str, str]:
    """The digests of those of the tags that the repository holds.

    Raises:
        UserError: ECR cannot say.
    """
    answer = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageTag": tag} for tag in tags],
        acceptedMediaTypes=manifests.ACCEPTED,
    )
    for failure in answer.get("failures", []):
        if failure.get("failureCode") != _NOT_THERE:
            raise UserError(
                f"ECR cannot say what {repository} holds: {failure.get('failureReason')}."
            )
    found = [image["imageId"] for image in answer["images"]]
    return {image["imageTag"]: image["imageDigest"] for image in found}


class Access:
    """How to get into the account's registry; the token is fetched once and serves 12 hours."""

    def __init__(self, ecr: ECRClient) -> None:
        data = ecr.get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        self.credentials = Credentials(user, password)
        self._endpoint = urlsplit(data["proxyEndpoint"])

    def connect(self, host: str) -> Registry:
        """A client of the registry that the account's repositories name."""
        return Registry(host, self.credentials, scheme=self.scheme(host))

    def scheme(self, host: str) -> str:
        """Return http or https, as the account's registry itself says."""
        if self._endpoint.netloc == host:
            return self._endpoint.scheme
        return references.scheme(host)
