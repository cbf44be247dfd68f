from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from fargate_batch.errors import UserError
from imaging.registry import base_images
from imaging.registry.base_images import BaseImage, BaseUnavailableError
from imaging.registry.client import Registry
from tests.imaging.registries import digest_of


def test_a_base_is_read_with_its_configuration_and_layers(bases: Any) -> None:
    name = bases.push({"usr/bin/python3": b"python"})
    base = base_images.read(name)
    (layer,) = base.content.layers
    assert base.content.config["config"]["Env"] == ["PATH=/usr/bin", "LANG=C"]
    content = base.layer(layer.digest).read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_of_many_platforms_fargate_s_is_taken(bases: Any) -> None:
    right = bases.push({"a": b"amd64"})
    name = bases.index(right, {"arm64": "1", "amd64": "1"})
    assert base_images.read(name).content == base_images.read(right).content


def test_a_base_without_fargate_s_platform_is_refused(bases: Any) -> None:
    name = bases.index(bases.push({"a": b"b"}), {"arm64": "1"})
    with pytest.raises(UserError, match="has nothing for linux/amd64"):
        base_images.read(name)


def test_a_base_for_another_platform_is_refused(bases: Any) -> None:
    with pytest.raises(UserError, match="is for linux/arm64; Fargate tasks run on linux/amd64"):
        base_images.read(bases.push({"a": b"b"}, architecture="arm64"))


def test_a_base_with_another_python_is_refused(bases: Any) -> None:
    name = bases.push({"a": b"b"}, config={"Env": ["PYTHON_VERSION=3.9.1"]})
    with pytest.raises(UserError, match=r"holds Python 3\.9\.1.*chosen for 3\.13.*base_image"):
        base_images.read(name)


def test_a_base_that_is_not_there_is_unavailable(bases: Any) -> None:
    name = bases.push({"a": b"b"}).rpartition(":")[0]
    with pytest.raises(BaseUnavailableError, match=r"cannot be had.*\(HTTP 404\)"):
        base_images.read(f"{name}:2")


def test_a_base_whose_registry_does_not_answer_is_unavailable(free_address: str) -> None:
    with pytest.raises(BaseUnavailableError, match="does not answer"):
        base_images.read(f"{free_address}/base:1")


def base_of(behaviour: Any, layer: bytes, digest: str) -> BaseImage:
    """A base of one layer, in the registry that misbehaves as it is told."""
    config = b'{"os": "linux", "architecture": "amd64"}'
    behaviour.blobs["base", digest_of(config)] = config
    behaviour.blobs["base", digest] = layer
    manifest = {
        "config": {"digest": digest_of(config)},
        "layers": [{"digest": digest, "size": len(layer), "mediaType": "tar"}],
    }
    media_type = "application/vnd.oci.image.manifest.v1+json"
    behaviour.manifests["base", "1"] = (json.dumps(manifest).encode(), media_type)
    base = base_images.read(f"{behaviour.address}/base:1")
    return replace(base, connect=lambda: Registry(behaviour.address, pause=0.01))


def test_a_layer_with_other_bytes_than_its_digest_is_refused(behaviour: Any) -> None:
    digest = f"sha256:{'0' * 64}"
    base = base_of(behaviour, b"changed on the way", digest)
    with pytest.raises(UserError, match="gave other bytes"):
        base.layer(digest)


def test_a_layer_whose_download_breaks_off_is_fetched_again_whole(behaviour: Any) -> None:
    layer = b"layer" * 1000
    base = base_of(behaviour, layer, digest_of(layer))
    behaviour.drop_downloads = 2
    assert base.layer(digest_of(layer)).read_bytes() == layer


def test_a_layer_whose_download_breaks_off_every_time_is_one_clear_error(behaviour: Any) -> None:
    layer = b"layer" * 1000
    base = base_of(behaviour, layer, digest_of(layer))
    behaviour.drop_downloads = 100
    with pytest.raises(UserError, match=f"does not answer, or not to the end.*{digest_of(layer)}"):
        base.layer(digest_of(layer))


def test_the_digest_is_the_registry_s_for_the_tag_today(bases: Any) -> None:
    name = bases.push({"a": b"b"})
    stale = f"{name}@sha256:{'0' * 64}"
    assert base_images.digest(stale) == base_images.digest(name)
    assert base_images.digest(name).startswith("sha256:")
