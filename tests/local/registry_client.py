"""A small image, pushed through the Registry V2 API as any client would push it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email.message import Message


def layer(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def request(
    method: str, url: str, body: bytes | None = None, content_type: str = "application/octet-stream"
) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": content_type}
    made = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(made, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, _lower(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers), error.read()


def push_blob(endpoint: str, repository: str, content: bytes) -> str:
    digest = digest_of(content)
    status, headers, _ = request("POST", f"{endpoint}/v2/{repository}/blobs/uploads/")
    assert status == 202
    location = headers["location"]
    status, _, body = request("PUT", f"{endpoint}{location}?digest={digest}", content)
    assert status == 201, body
    return digest


def push_image(
    endpoint: str, repository: str, tag: str, config: dict[str, Any], layers: list[bytes]
) -> str:
    """Push an image and return its manifest's digest."""
    content = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(one) for one in layers]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": push_blob(endpoint, repository, content),
                "size": len(content),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": push_blob(endpoint, repository, one),
                    "size": len(one),
                }
                for one in layers
            ],
        }
    ).encode()
    status, _, body = request(
        "PUT",
        f"{endpoint}/v2/{repository}/manifests/{tag}",
        manifest,
        "application/vnd.oci.image.manifest.v1+json",
    )
    assert status == 201, body
    return digest_of(manifest)
