"""Requests to one registry, and the blobs and manifests in its repositories."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import requests

from imaging import references
from imaging.manifests import ACCEPTED, Document
from imaging.registry import authentication
from imaging.registry.authentication import Credentials, Header
from imaging.registry.errors import RegistryError, RegistryUnreachableError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Seconds to connect and between two bytes of an answer; a registry commits a large blob slowly.
_TIMEOUT: Final = (5, 300)
_ATTEMPTS: Final = 4
_CHUNK: Final = 1 << 20
_WORTH_ANOTHER_TRY: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class Registry:
    """One registry, for one thread at a time."""

    def __init__(
        self,
        host: str,
        credentials: Credentials | None = None,
        *,
        scheme: str | None = None,
        pause: float = 1.0,
    ) -> None:
        """A client of the registry at `host`.

        Args:
            host: e.g. public.ecr.aws or localhost:5000.
            credentials: none for anonymous reading.
            scheme: http or https; by default http on this machine and https elsewhere.
            pause: seconds before the first retry; doubled before each further one.
        """
        self.host = host
        self._root = f"{scheme or references.scheme(host)}://{host}"
        self._credentials = credentials
        self._pause = pause
        self._session = requests.Session()
        if references.is_loopback(host):
            # A proxy for the outside world cannot reach this machine's own loopback.
            self._session.trust_env = False
        self._headers: dict[str, str | None] = {}

    def manifest(self, repository: str, identifier: str) -> Document:
        """An image's or index's manifest.

        Raises:
            RegistryError: there is none, or it may not be read.
            RegistryUnreachableError: nobody answers.
        """
        response = self._call(
            "GET",
            f"/v2/{repository}/manifests/{identifier}",
            repository,
            f"show {repository} {identifier}",
            headers={"Accept": ", ".join(ACCEPTED)},
        )
        return Document(response.content)

    def put_manifest(
        self, repository: str, identifier: str, content: bytes, media_type: str
    ) -> None:
        """Store a manifest under a tag or its digest.

        Raises:
            RegistryError: the registry refuses it, for instance because the tag is taken.
            RegistryUnreachableError: nobody answers.
        """
        self._call(
            "PUT",
            f"/v2/{repository}/manifests/{identifier}",
            repository,
            f"take the image {repository}:{identifier}",
            data=content,
            headers={"Content-Type": media_type},
        )

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the repository holds a blob."""
        try:
            self._call(
                "HEAD", f"/v2/{repository}/blobs/{digest}", repository, f"look into {repository}"
            )
        except RegistryError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    @contextmanager
    def blob(self, repository: str, digest: str) -> Iterator[Iterator[bytes]]:
        """A blob's bytes, in pieces.

        Raises:
            RegistryError: it is not there, or may not be read.
            RegistryUnreachableError: nobody answers, or the answer breaks off.
        """
        path, deed = f"/v2/{repository}/blobs/{digest}", f"give {digest} of {repository}"
        with self._call("GET", path, repository, deed, stream=True) as response:
            try:
                yield response.iter_content(_CHUNK)
            except requests.RequestException as error:
                raise self._unreachable(deed, error) from error

    def push_blob(
        self, repository: str, digest: str, content: Path | bytes, mount_from: str | None = None
    ) -> None:
        """Put a blob into a repository, unless it is there.

        Args:
            repository: where to.
            digest: the blob's.
            content: the blob, or the file that holds it.
            mount_from: another repository of this registry that holds it; the registry may link
                it from there instead of receiving it again.

        Raises:
            RegistryError: the registry refuses it.
            RegistryUnreachableError: nobody answers.
        """
        if not self.has_blob(repository, digest):
            self.persist(lambda: self._upload(repository, digest, content, mount_from))

    def persist(self, transfer: Callable[[], None]) -> None:
        """Make a transfer with this registry; one that breaks off starts over from its first byte.

        Raises:
            RegistryError: the registry refuses it.
            RegistryUnreachableError: nobody answers, or it broke off every time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                transfer()
            except (RegistryUnreachableError, RegistryError) as error:
                lasting = isinstance(error, RegistryError) and error.status < 500
                if lasting or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(self._pause * 2**attempt)
            else:
                return

    def _upload(
        self, repository: str, digest: str, content: Path | bytes, mount_from: str | None
    ) -> None:
        deed = f"take a layer into {repository}"
        parameters = {"mount": digest, "from": mount_from} if mount_from else {}
        path = f"/v2/{repository}/blobs/uploads/"
        begun = self._call("POST", path, repository, deed, params=parameters)
        if begun.status_code == HTTPStatus.CREATED:
            return
        with nullcontext(content) if isinstance(content, bytes) else content.open("rb") as body:
            # The place to send to may carry its own query, to which the digest is added.
            self._call(
                "PUT",
                urljoin(f"{self._root}{path}", begun.headers["Location"]),
                repository,
                deed,
                params={"digest": digest},
                data=body,
                headers={"Content-Type": "application/octet-stream"},
                attempts=1,
            )

    def _call(
        self,
        method: str,
        path: str,
        repository: str,
        deed: str,
        *,
        attempts: int = _ATTEMPTS,
        **more: Any,
    ) -> requests.Response:
        """Ask, answer a challenge, try again where that helps, and raise where it does not."""
        url = urljoin(self._root, path)
        for attempt in range(attempts):
            response = self._ask(method, url, repository, deed, **more)
            if response.ok:
                return response
            if response.status_code not in _WORTH_ANOTHER_TRY or attempt == attempts - 1:
                break
            time.sleep(self._pause * 2**attempt)
        raise refusal(response, self.host, deed)

    def _ask(
        self, method: str, url: str, repository: str, deed: str, **more: Any
    ) -> requests.Response:
        first = self._credentials.basic if self._credentials else None
        header = self._headers.setdefault(repository, first)
        try:
            response = self._session.request(
                method, url, auth=Header(header), timeout=_TIMEOUT, **more
            )
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                return response
            scope = f"repository:{repository}:pull" + (",push" if self._credentials else "")
            bought = authentication.answer(response, self._session, self._credentials, scope)
            if bought is None or bought == header:
                return response
            self._headers[repository] = bought
            if "data" in more and not isinstance(more["data"], bytes):
                more["data"].seek(0)
            return self._session.request(method, url, auth=Header(bought), timeout=_TIMEOUT, **more)
        except requests.RequestException as error:
            raise self._unreachable(deed, error) from error

    def _unreachable(self, deed: str, error: BaseException) -> RegistryUnreachableError:
        return RegistryUnreachableError(
            f"The registry {self.host} does not answer, or not to the end, asked to {deed} "
            f"({_plainly(error)}). Check the network, proxy settings and its name."
        )


def _plainly(error: BaseException) -> str:
    # requests wraps what happened several times; the innermost cause is what a person understands.
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # one of them is set
    return str(error) or type(error).__name__
