"""A way to AWS on which requests and answers get lost, at random but repeatably."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unreliable(endpoint: str, share: float, seed: int) -> Iterator[str]:
    """Give an address that passes on to `endpoint`, save for a share of the requests.

    Of these a third is refused as S3 and DynamoDB refuse (503), a third is cut off before AWS hears
    of it, and a third is done, and its answer cut off.
    """
    chance, lock = random.Random(seed), threading.Lock()  # noqa: S311 - to be repeated

    class Way(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            """Pass one request on, or lose it."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                fate = chance.random() / share
            if fate < 1 / 3:
                self._answer(503, {}, b"")
            elif fate < 2 / 3:
                self.close_connection = True
            else:
                status, headers, answer = self._pass_on(body)
                if fate < 1:
                    self.close_connection = True
                else:
                    self._answer(status, headers, answer)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do  # noqa: N815 - the base class's names

        def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = HTTPConnection(urlsplit(endpoint).netloc)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, dict(answer.getheaders()), content

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            own = {"transfer-encoding", "connection"}
            for name, value in headers.items():
                if name.lower() not in own and name.lower() != "content-length":
                    self.send_header(name, value)
            length = headers.get("content-length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Way)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
