"""Image layers on disk, each once, under its digest.

MiniStack holds every layer of every repository in memory, writes them all as one JSON file when it
ends, and keeps them when the repository is deleted.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, Final

from ministack.core.responses import AccountRegionScopedDict

from local.symbols import Symbol

_BLOBS: Final = Symbol("services.ecr", "_layer_blobs")
_REPOSITORIES: Final = Symbol("services.ecr", "_repositories")
_GET_STATE: Final = Symbol("services.ecr", "get_state", ())
_RESTORE: Final = Symbol("services.ecr", "load_persisted_state", ("data",))
_DELETE_REPOSITORY: Final = Symbol("services.ecr", "_delete_repository", ("data",))
_MANIFESTS: Final = Symbol("services.ecr", "_manifest_blobs")

SYMBOLS: Final = (_BLOBS, _REPOSITORIES, _GET_STATE, _RESTORE, _DELETE_REPOSITORY, _MANIFESTS)

# Stacks delete repositories in threads of their own. What is being pushed belongs to no repository
# yet, and must not be taken for unused.
_changing: Final = threading.Lock()


class RepositoryBlobs(MutableMapping[str, bytes]):
    """The blobs of one repository, by digest; their content is on disk."""

    def __init__(self, directory: Path, digests: set[str] | None = None) -> None:
        self._directory = directory
        self.digests = digests or set()

    def __getitem__(self, digest: str) -> bytes:
        if digest not in self.digests:
            raise KeyError(digest)
        return path_of(self._directory, digest).read_bytes()

    def __setitem__(self, digest: str, content: bytes) -> None:
        path = path_of(self._directory, digest)
        with _changing:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                # Complete or not there: a crash must not leave half a layer under its digest.
                partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
                partial.write_bytes(content)
                partial.replace(path)
            self.digests.add(digest)

    def __delitem__(self, digest: str) -> None:
        self.digests.remove(digest)

    def __iter__(self) -> Iterator[str]:
        return iter(set(self.digests))

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, digest: object) -> bool:
        return digest in self.digests

    def size(self, digest: str) -> int:
        """The number of bytes of a blob.

        Raises:
            KeyError: the repository does not have it.
        """
        if digest not in self.digests:
            raise KeyError(digest)
        return path_of(self._directory, digest).stat().st_size


class BlobStore(AccountRegionScopedDict):  # type: ignore[misc]  # MiniStack ships no types
    """MiniStack's store of blobs by repository, with RepositoryBlobs as its values."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def setdefault(self, key: str, default: Any = None) -> RepositoryBlobs:
        """Return the blobs of a repository; `default` is what MiniStack offers, and not used."""
        del default
        found: RepositoryBlobs = super().setdefault(key, RepositoryBlobs(self.directory))
        return found


def path_of(directory: Path, digest: str) -> Path:
    """Where a blob's content is."""
    return directory / digest.replace(":", "/")


def install(directory: Path) -> None:
    """Keep layers in `directory`, name them in state files, and drop those of no repository."""
    store = BlobStore(directory)
    _BLOBS.set(store)
    get_state, restore, delete = _GET_STATE.get(), _RESTORE.get(), _DELETE_REPOSITORY.get()

    def state() -> dict[str, Any]:
        # MiniStack copies and writes whatever the name stands for; the layers must not be that.
        _BLOBS.set(AccountRegionScopedDict())
        try:
            saved: dict[str, Any] = get_state()
        finally:
            _BLOBS.set(store)
        digests = AccountRegionScopedDict()
        for (account, region, name), blobs in store.all_items():
            digests.set_scoped(account, region, name, sorted(blobs.digests))
        return {**saved, "layer_blobs": {}, "layer_digests": digests}

    def load(data: dict[str, Any]) -> None:
        digests = data.pop("layer_digests", None)
        restore(data)
        for (account, region, name), known in digests.all_items() if digests else ():
            present = {one for one in known if path_of(directory, one).exists()}
            store.set_scoped(account, region, name, RepositoryBlobs(directory, present))
        remove_unused(store)

    def delete_repository(data: dict[str, Any]) -> Any:
        response = delete(data)
        if response[0] < 400:
            name = data.get("repositoryName", "")
            store.pop(name, None)
            _MANIFESTS.get().pop(name, None)
            remove_unused(store)
        return response

    _GET_STATE.set(state)
    _RESTORE.set(load)
    _DELETE_REPOSITORY.set(delete_repository)


def remove_unused(store: BlobStore) -> None:
    """Delete the content of blobs that no repository has."""
    with _changing:
        used = {
            path_of(store.directory, digest) for _, blobs in store.all_items() for digest in blobs
        }
        for folder, _, names in os.walk(store.directory):
            for name in names:
                path = Path(folder, name)
                if path not in used:
                    path.unlink()
