"""The registry names itself: repository URIs and docker logins that work as printed.

MiniStack serves the Registry V2 API on its own port, yet its URIs name amazonaws.com. Here they
name `localhost:<port>`, which Docker and Podman take without TLS.
"""

from __future__ import annotations

import base64
import time
from typing import Any, Final

from local.responses import Response, reply
from local.symbols import Symbol

_REPOSITORY_URI: Final = Symbol("services.ecr", "_repo_uri", ("name",))
_AUTHORIZATION: Final = Symbol("services.ecr", "_get_authorization_token", ("data",))

SYMBOLS: Final = (_REPOSITORY_URI, _AUTHORIZATION)

_TOKEN: Final = base64.b64encode(b"AWS:local").decode()
_TOKEN_SECONDS: Final = 12 * 3600


def install(port: int) -> None:
    """Let repositories and tokens name this registry."""

    def repository_uri(name: str) -> str:
        return f"localhost:{port}/{name}"

    def authorization_token(_data: dict[str, Any]) -> Response:
        return reply(
            {
                "authorizationData": [
                    {
                        "authorizationToken": _TOKEN,
                        "expiresAt": int(time.time()) + _TOKEN_SECONDS,
                        "proxyEndpoint": f"http://localhost:{port}",
                    }
                ]
            }
        )

    _REPOSITORY_URI.set(repository_uri)
    _AUTHORIZATION.set(authorization_token)
