"""A registry that can be told to misbehave, since the local AWS's never does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Behaviour:
    """What the registry holds, how it behaves and what it was asked."""

    user: str | None = None
    """The basic Authorization header that it wants, or that its token service wants."""
    token: str | None = None
    """The bearer token that it wants."""
    deny_pushes: bool = False
    fail_first: int = 0
    """How many requests it answers with 503 before it comes to itself."""
    drop_uploads: int = 0
    """How many uploads it accepts no byte of before it comes to itself."""
    drop_downloads: int = 0
    """Of how many blobs it gives half before it comes to itself."""
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._reply(status, body, **headers)

    def _token(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.behaviour.scopes.append(query["scope"][0])
        wanted = self.behaviour.user
        if wanted is not None and self.headers.get("Authorization") != wanted:
            self._refuse(401, "UNAUTHORIZED", "wrong password")
        else:
            self._reply(200, json.dumps({"token": self.behaviour.token}).encode())

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization")
        if self.behaviour.token is not None:
            if given == f"Bearer {self.behaviour.token}":
                return True
            challenge = f'Bearer realm="http://{self.behaviour.address}/token",service="here"'
        elif self.behaviour.user is None or given == self.behaviour.user:
            return True
        else:
            challenge = 'Basic realm="here"'
        self._refuse(401, "UNAUTHORIZED", "who are you", WWW_Authenticate=challenge)
        return False

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if url.path == "/token":
            self._token()
            return
        self.behaviour.requests.append(f"{self.command} {self.path}")
        if not self._allowed():
            return
        if self.behaviour.fail_first:
            self.behaviour.fail_first -= 1
            self._reply(503)
            return
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        match = re.fullmatch(r"/v2/(.+)/(blobs|manifests)/(.+)", url.path)
        assert match is not None
        repository, kind, name = match.groups()
        if self.behaviour.deny_pushes and self.command in ("POST", "PUT"):
            self._refuse(403, "DENIED", "not yours")
        elif kind == "manifests":
            self._manifest(repository, name, body)
        elif name.startswith("uploads/"):
            self._upload(repository, query, body)
        else:
            self._blob(repository, name)

    # http.server looks for these names.
    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def _manifest(self, repository: str, name: str, body: bytes) -> None:
        held = self.behaviour.manifests
        if self.command == "PUT":
            held[repository, name] = (body, self.headers["Content-Type"])
            self._reply(201)
        elif (repository, name) in held:
            content, media_type = held[repository, name]
            self._reply(200, content, Content_Type=media_type)
        else:
            self._refuse(404, "MANIFEST_UNKNOWN", "no such manifest")

    def _blob(self, repository: str, digest: str) -> None:
        blob = self.behaviour.blobs.get((repository, digest))
        if blob is None:
            self._refuse(404, "BLOB_UNKNOWN", "no such blob")
        elif self.behaviour.drop_downloads and self.command == "GET":
            self.behaviour.drop_downloads -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(blob)))
            self.end_headers()
            self.wfile.write(blob[: len(blob) // 2])
            self.close_connection = True
        else:
            self._reply(200, blob)

    def _upload(self, repository: str, query: dict[str, str], body: bytes) -> None:
        blobs = self.behaviour.blobs
        if self.command == "POST":
            mounted = blobs.get((query.get("from", ""), query.get("mount", "")))
            if mounted is not None:
                blobs[repository, query["mount"]] = mounted
                self._reply(201)
            else:
                # Real registries hand out places with a query of their own.
                place = f"/v2/{repository}/blobs/uploads/1?state=x%2By"
                self._reply(202, Location=place)
        elif self.behaviour.drop_uploads:
            self.behaviour.drop_uploads -= 1
            self.close_connection = True
        elif query["digest"] != f"sha256:{hashlib.sha256(body).hexdigest()}":
            self._refuse(400, "DIGEST_INVALID", "other bytes")
        else:
            assert query["state"] == "x+y"
            blobs[repository, query["digest"]] = body
            self._reply(201)


@pytest.fixture
def behaviour() -> Iterator[Behaviour]:
    made = Behaviour()
    handler = type("Told", (Handler,), {"behaviour": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
