"""Registries that images are pushed to and base images come from, and what was told meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imaging import pushing
from imaging.jobs import Wanted
from imaging.registry.client import Registry

if TYPE_CHECKING:
    from local.testing import LocalAws
    from tests.imaging.small_project import Project


@dataclass
class Target:
    """Fresh repositories for the small project's stages."""

    ecr: Any
    uris: dict[str, str]

    def wanted(self, project: Project, base_image: str) -> Wanted:
        return Wanted(project.folder, base_image, self.uris)

    def tags(self) -> dict[str, set[str]]:
        """The tags that each stage's repository holds."""
        return {stage: set(self.digests(stage)) for stage in self.uris}

    def digests(self, stage: str) -> dict[str, str]:
        images = self.ecr.list_images(repositoryName=self.name(stage))["imageIds"]
        return {image["imageTag"]: image["imageDigest"] for image in images}

    def empty(self, stage: str) -> None:
        """Delete every image of the stage's repository."""
        ids = [{"imageDigest": digest} for digest in self.digests(stage).values()]
        self.ecr.batch_delete_image(repositoryName=self.name(stage), imageIds=ids)

    def name(self, stage: str) -> str:
        return self.uris[stage].partition("/")[2]

    def registry(self) -> Registry:
        return Registry(next(iter(self.uris.values())).partition("/")[0])

    def manifest(self, stage: str) -> dict[str, Any]:
        (digest,) = self.digests(stage).values()
        loaded: dict[str, Any] = json.loads(
            self.registry().manifest(self.name(stage), digest).content
        )
        return loaded

    def layers(self, stage: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.manifest(stage)["layers"]
        return found

    def config(self, stage: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(
            self.blob(stage, self.manifest(stage)["config"]["digest"])
        )
        return loaded

    def blob(self, stage: str, digest: str) -> bytes:
        with self.registry().blob(self.name(stage), digest) as pieces:
            return b"".join(pieces)

    def files(self, stage: str) -> dict[str, bytes]:
        """Every file of the stage's image, by its path."""
        found: dict[str, bytes] = {}
        for layer in self.manifest(stage)["layers"]:
            content = self.blob(stage, layer["digest"])
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    # A base's links may lead into another layer.
                    file = tar.extractfile(member) if member.isfile() else None
                    if file is not None:
                        found[member.name] = file.read()
        return found


@dataclass
class BasePusher:
    """Puts base images into the other registry."""

    aws: LocalAws

    def push(self, files: dict[str, bytes], **changes: Any) -> str:
        """Push an image of one layer; return its name. `changes` go into its configuration."""
        repository = f"base-{uuid.uuid4().hex[:8]}/python"
        self.aws.client("ecr").create_repository(repositoryName=repository)
        registry = Registry(self.aws.registry)
        layer = tar_of(files)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/usr/bin", "LANG=C"], "Cmd": ["python3"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
                "history": [{"created_by": "base"}],
                **changes,
            }
        ).encode()
        docker = "application/vnd.docker"
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{docker}.distribution.manifest.v2+json",
            "config": _descriptor(config, f"{docker}.container.image.v1+json"),
            "layers": [_descriptor(layer, f"{docker}.image.rootfs.diff.tar")],
        }
        for blob in (layer, config):
            registry.push_blob(repository, digest_of(blob), blob)
        content = json.dumps(manifest).encode()
        registry.put_manifest(repository, "1", content, str(manifest["mediaType"]))
        return f"{self.aws.registry}/{repository}:1"

    def index(self, name: str, platforms: dict[str, str]) -> str:
        """Make an index of manifests in the image's repository; return its name.

        `platforms` maps an architecture to the tag of its manifest.
        """
        host, _, rest = name.partition("/")
        repository = rest.rpartition(":")[0]
        registry = Registry(host)
        entries = []
        for architecture, tag in platforms.items():
            manifest = registry.manifest(repository, tag)
            entries.append(
                {
                    "mediaType": json.loads(manifest.content)["mediaType"],
                    "digest": manifest.digest,
                    "size": len(manifest.content),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        registry.put_manifest(repository, "many", json.dumps(index).encode(), media_type)
        return f"{host}/{repository}:many"


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


@dataclass
class Steps:
    """Collects progress."""

    told: list[tuple[str, str]]

    def __call__(self, who: str, step: str) -> None:
        self.told.append((who, step))


def push(target: Target, project: Project, base: str, steps: Steps) -> list[str]:
    return pushing.push_changed(target.wanted(project, base), target.ecr, "auto", steps)
