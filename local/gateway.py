"""The HTTP application: this package's own addresses below /_local/, MiniStack for the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

PREFIX: Final = "/_local/"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("local.gateway")


@dataclass(frozen=True)
class Request:
    """A request to one of this package's own addresses."""

    method: str
    path: tuple[str, ...]
    """The parts of the path below the address's own name."""
    body: bytes


Answer = tuple[int, Any]
"""A status and what becomes the JSON of the body."""
Handler = Callable[[Request], Answer]

_handlers: dict[str, Handler] = {}


def serve(name: str, handler: Handler) -> None:
    """Let a function answer what is below /_local/NAME; it must not wait for anything."""
    _handlers[name] = handler


def over(application: Application) -> Application:
    """An application that answers /_local/ itself and hands everything else on."""

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await _answer(scope, receive, send)
        else:
            await application(scope, receive, send)

    return gateway


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    name, *rest = scope["path"].removeprefix(PREFIX).split("/")
    handler = _handlers.get(name)
    body = await _read(receive)
    if handler is None:
        status, payload = 404, {"message": f"There is no {PREFIX}{name}"}
    else:
        try:
            status, payload = handler(Request(scope["method"], tuple(rest), body))
        except ValueError as error:
            status, payload = 400, {"message": str(error)}
        except Exception as error:  # noqa: BLE001 - logged with its traceback, and told
            _log.exception("%s %s failed", scope["method"], scope["path"])
            status, payload = 500, {"message": repr(error)}
    await respond(send, status, {"content-type": "application/json"}, json.dumps(payload).encode())


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


async def respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Send a whole response."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*encoded, length]})
    await send({"type": "http.response.body", "body": body})
