"""A small project with wheels of its own, and real registries to push it to.

Nothing here reaches a package index or another machine: pip is pointed at a folder of wheels by
its own environment variables.
"""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from imaging import engines
from local.testing import LocalAws, local_aws
from tests.imaging.registries import BasePusher, Steps, Target
from tests.imaging.small_project import STAGES, Project, Wheelhouse, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    return tmp_path / "cache" / "fargate-batch"


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheelhouse:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    # pip's own configuration decides where wheels come from, and so it does here.
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Wheelhouse(folder)


@pytest.fixture(scope="session")
def fetched_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[LocalAws]:
    """Another registry, where base images live."""
    with local_aws(use_engine=False) as running:
        yield running


@pytest.fixture(scope="session")
def ecr(aws: LocalAws) -> Any:
    return aws.client("ecr")


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


@pytest.fixture
def bases(elsewhere: LocalAws) -> BasePusher:
    return BasePusher(elsewhere)


@pytest.fixture
def free_address() -> str:
    """An address where nobody answers."""
    return "127.0.0.1:9"


@pytest.fixture
def steps() -> Steps:
    return Steps([])


@pytest.fixture
def basic() -> Callable[[str, str], str]:
    """The header of basic credentials."""
    return lambda user, password: (
        f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    )


@pytest.fixture
def project(
    tmp_path: Path, wheelhouse: Wheelhouse, cache_folder: Path, fetched_wheels: Path
) -> Project:
    # The same wheels every time, so pip is asked once a session: it takes a second.
    cache_folder.mkdir(parents=True)
    (cache_folder / "wheels").symlink_to(fetched_wheels)
    return make(tmp_path / "project", wheelhouse)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find", lambda _choice: None)
