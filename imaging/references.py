"""Names of images and of the registries that hold them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from fargate_batch.errors import UserError

_DEFAULT_REGISTRY: Final = "docker.io"
# Docker's own registry answers under another name than the one that images carry.
_HOSTS: Final = {_DEFAULT_REGISTRY: "registry-1.docker.io"}
_PART: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?:(?P<first>[A-Za-z0-9._-]+(?::\d+)?)/)?(?P<rest>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """An image's name, taken apart."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def host(self) -> str:
        """Where the registry answers, e.g. public.ecr.aws or localhost:5000."""
        return _HOSTS.get(self.registry, self.registry)

    @property
    def identifier(self) -> str:
        """By what the registry is asked for the image: its digest, or else its tag."""
        return self.digest or self.tag or "latest"


def parse(text: str) -> Reference:
    """Take an image's name apart, with Docker's defaults for what it leaves out.

    Raises:
        UserError: it is no image name.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UserError(
            f"'{text}' is no image name; one looks like public.ecr.aws/docker/library/python:3.13"
        )
    first, rest = match["first"], match["rest"]
    if first is None:
        registry, repository = _DEFAULT_REGISTRY, f"library/{rest}"
    elif "." in first or ":" in first or first == "localhost":
        registry, repository = first, rest
    else:
        registry, repository = _DEFAULT_REGISTRY, f"{first}/{rest}"
    return Reference(registry, repository, match["tag"], match["digest"])


def scheme(host: str) -> str:
    """Return http for a registry on this machine and https for others, as Docker does."""
    return "http" if is_loopback(host) else "https"


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine."""
    name = host.rsplit(":", 1)[0].strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
