"""A small project with wheels of its own, and real registries to push it to.

Nothing here reaches a package index or another machine: pip is pointed at a folder of wheels by
its own environment variables.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from imaging import sources
from imaging.jobs import Wanted
from imaging.registry.client import Registry
from local.testing import LocalAws, local_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAGES = ("data-ingestion", "risk-calculation")
IMAGES = Path(__file__).parents[2] / "images"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    return tmp_path / "cache" / "fargate-batch"


@dataclass
class Wheelhouse:
    """A folder that pip takes wheels from."""

    folder: Path

    def add(self, name: str, version: str, files: dict[str, str], tag: str = "py3-none-any") -> str:
        """Put a wheel there; return its line in a lock."""
        information = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        members = {
            **files,
            f"{information}/METADATA": metadata,
            f"{information}/WHEEL": wheel,
            f"{information}/RECORD": "",
        }
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(zipfile.ZipInfo(member), content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheelhouse:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    # pip's own configuration decides where wheels come from, and so it does here.
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Wheelhouse(folder)


@dataclass
class Project:
    """A project's images, as small as they can be."""

    folder: Path

    def write(self, name: str, content: str) -> Path:
        path = self.folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def sources(self, stage: str) -> sources.StageSources:
        return sources.find(self.folder, stage)

    def tags(self, base_image: str = "base:1") -> dict[str, str]:
        return {stage: sources.tag(self.sources(stage), base_image) for stage in STAGES}


@pytest.fixture(scope="session")
def fetched_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture
def project(
    tmp_path: Path, wheelhouse: Wheelhouse, cache_folder: Path, fetched_wheels: Path
) -> Project:
    """Two stages, of which risk-calculation has a library of its own."""
    # The same wheels every time, so pip is asked once a session: it takes a second.
    cache_folder.mkdir(parents=True)
    (cache_folder / "wheels").symlink_to(fetched_wheels)
    made = Project(tmp_path / "project")
    common = wheelhouse.add("everyone", "1.0", {"everyone/__init__.py": "VALUE = 1\n"})
    own = wheelhouse.add("figures", "2.0", {"figures.py": "VALUE = 2\n"})
    made.write("Dockerfile", (IMAGES / "Dockerfile").read_text())
    made.write("common/requirements.lock", common)
    made.write("common/batchkit/__init__.py", "")
    made.write("common/batchkit/__main__.py", "print('worked')\n")
    for module in ("prepare.py", "errors.py"):
        made.write(f"common/batchkit/{module}", (IMAGES / "common/batchkit" / module).read_text())
    made.write("data-ingestion/requirements.lock", "")
    made.write("data-ingestion/data_ingestion/__init__.py", "NAME = 'ingestion'\n")
    made.write("risk-calculation/requirements.lock", own)
    made.write("risk-calculation/risk_calculation/__init__.py", "NAME = 'risk'\n")
    return made


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[LocalAws]:
    """Another registry, where base images live."""
    with local_aws(use_engine=False) as running:
        yield running


def client(aws: LocalAws, service: str) -> Any:
    session = boto3.session.Session(
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=aws.region,
    )
    return session.client(service, endpoint_url=aws.endpoint)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def ecr(aws: LocalAws) -> Any:
    return client(aws, "ecr")


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

    def name(self, stage: str) -> str:
        return self.uris[stage].partition("/")[2]

    def registry(self) -> Registry:
        return Registry(next(iter(self.uris.values())).partition("/")[0])

    def manifest(self, stage: str) -> dict[str, Any]:
        (digest,) = self.digests(stage).values()
        content, _, _ = self.registry().manifest(self.name(stage), digest)
        loaded: dict[str, Any] = json.loads(content)
        return loaded

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


@pytest.fixture
def target(ecr: Any) -> Target:
    unique = uuid.uuid4().hex[:8]
    uris = {}
    for stage in STAGES:
        made = ecr.create_repository(
            repositoryName=f"test-{unique}/{stage}-dev", imageTagMutability="IMMUTABLE"
        )
        uris[stage] = made["repository"]["repositoryUri"]
    return Target(ecr, uris)


@dataclass
class BasePusher:
    """Puts base images into the other registry."""

    aws: LocalAws

    def push(self, files: dict[str, bytes], **changes: Any) -> str:
        """Push an image of one layer; return its name. `changes` go into its configuration."""
        repository = f"base-{uuid.uuid4().hex[:8]}/python"
        client(self.aws, "ecr").create_repository(repositoryName=repository)
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
            content, media_type, digest = registry.manifest(repository, tag)
            entries.append(
                {
                    "mediaType": media_type,
                    "digest": digest,
                    "size": len(content),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        registry.put_manifest(repository, "many", json.dumps(index).encode(), media_type)
        return f"{host}/{repository}:many"


@pytest.fixture
def bases(elsewhere: LocalAws) -> BasePusher:
    return BasePusher(elsewhere)


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


@pytest.fixture
def free_address() -> str:
    """An address where nobody answers."""
    return "127.0.0.1:9"


@dataclass
class Steps:
    """Collects progress."""

    told: list[tuple[str, str]]

    def __call__(self, who: str, step: str) -> None:
        self.told.append((who, step))


@pytest.fixture
def steps() -> Steps:
    return Steps([])


@pytest.fixture
def basic() -> Callable[[str, str], str]:
    """The header of basic credentials."""
    return lambda user, password: (
        f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    )
