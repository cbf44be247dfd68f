"""One upload of a blob serves every repository of a registry."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sharing:
    """Remembers which repository holds which blob, so that others mount it from there.

    Who wants a blob while another thread pushes it waits, and then mounts it.
    """

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, digest: str, repository: str) -> Iterator[str | None]:
        """While nobody else pushes the blob: the repository that holds it already, if any.

        When the context ends without an error, `repository` holds it.
        """
        with self._lock:
            turn = self._turns[digest]
        with turn:
            yield self._holders.get(digest)
            self._holders[digest] = repository
