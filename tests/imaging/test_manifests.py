from __future__ import annotations

import json
from typing import Any

import pytest

from imaging import manifests
from imaging.dockerfile import Recipe
from imaging.manifests import Base, Descriptor


@pytest.mark.parametrize(
    ("docker", "oci"),
    [
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "tar+zstd"),
        ("application/vnd.docker.image.rootfs.diff.tar", "tar"),
    ],
)
def test_a_base_s_layers_keep_their_format_under_its_oci_name(docker: str, oci: str) -> None:
    base = Base([Descriptor("sha256:1", 1, docker)], {})
    content = json.loads(manifests.manifest(base, manifests.Document(b"{}"), []).content)
    assert content["layers"][0]["mediaType"] == f"application/vnd.oci.image.layer.v1.{oci}"


def configured(base: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    document = manifests.configuration(
        Base([], {"os": "linux", "architecture": "amd64", **base}), recipe, []
    )
    loaded: dict[str, Any] = json.loads(document.content)
    return loaded


def test_what_the_recipe_does_not_say_is_the_base_s() -> None:
    base = {"config": {"Cmd": ["bash"], "User": "1", "Labels": {"a": "b"}, "StopSignal": "SIGINT"}}
    assert configured(base, Recipe())["config"] == base["config"]


def test_a_variable_of_the_recipe_replaces_the_base_s() -> None:
    base = {"config": {"Env": ["A=1=2", "B=2"]}}
    recipe = Recipe(environment={"B": "3", "C": "4"})
    assert configured(base, recipe)["config"]["Env"] == ["A=1=2", "B=3", "C=4"]


def test_a_new_entry_point_forgets_the_base_s_command() -> None:
    recipe = Recipe(entrypoint=["python3"], command=[])
    config = configured({"config": {"Cmd": ["bash"], "Entrypoint": ["sh"]}}, recipe)["config"]
    assert config == {"Entrypoint": ["python3"]}


def test_an_image_without_a_base_says_what_it_is_for() -> None:
    document = manifests.configuration(manifests.empty("arm64"), Recipe(), [])
    content = json.loads(document.content)
    assert (content["os"], content["architecture"]) == ("linux", "arm64")
    assert content["rootfs"] == {"type": "layers", "diff_ids": []}
