from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from local.registry.blobs import BlobStore, remove_unused
from tests.local.registry_client import digest_of

if TYPE_CHECKING:
    import pytest


def test_a_push_keeps_its_content_while_a_repository_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path)
    deletions: list[threading.Thread] = []

    def delete_meanwhile() -> None:
        deletions.append(threading.Thread(target=remove_unused, args=(store,)))
        deletions[-1].start()
        deletions[-1].join(0.2)  # it may have to wait for the push

    replace = Path.replace

    def interrupted(partial: Path, target: Path) -> Path:
        delete_meanwhile()
        replaced = replace(partial, target)
        delete_meanwhile()
        return replaced

    monkeypatch.setattr(Path, "replace", interrupted)
    pushed = store.setdefault("repository")
    pushed[digest_of(b"layer")] = b"layer"
    for deletion in deletions:
        deletion.join()
    assert pushed[digest_of(b"layer")] == b"layer"
