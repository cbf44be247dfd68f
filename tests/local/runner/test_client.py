from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from ministack.core.responses import AccountRegionScopedDict

from local.location import Directory
from local.runner import images
from local.runner.client import Runner

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_at_the_end_only_what_a_repository_has_stays_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests, blobs = AccountRegionScopedDict(), AccountRegionScopedDict()
    manifests["repository"] = {"sha256:image": b"{}"}
    blobs["repository"] = {"sha256:layer": b""}
    monkeypatch.setattr(images, "_MANIFESTS", SimpleNamespace(get=lambda: manifests))
    monkeypatch.setattr(images, "_BLOBS", SimpleNamespace(get=lambda: blobs))
    directory = Directory(tmp_path)
    kept = {"sha256-image/file", "layers/sha256-layer/file"}
    gone = {"sha256-gone/file", "sha256-half.partial/file", "layers/sha256-gone/file"}
    for name in kept | gone:
        file = directory.images / name
        file.parent.mkdir(parents=True)
        file.touch()
    Runner(None, directory, 1).close()
    files = {path for path in directory.images.rglob("*") if path.is_file()}
    assert {str(path.relative_to(directory.images)) for path in files} == kept
