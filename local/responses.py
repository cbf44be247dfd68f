"""MiniStack's answers, taken apart and put together."""

from __future__ import annotations

import json
from typing import Any

Response = tuple[int, dict[str, str], bytes]


class RefusedError(Exception):
    """A call that AWS answers with an error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def response(self) -> Response:
        """The error as the JSON protocol's answer."""
        return error(self.code, self.message, self.status)


def error(code: str, message: str, status: int = 400) -> Response:
    """An error of the JSON protocol."""
    from ministack.core.responses import error_response_json

    answer: Response = error_response_json(code, message, status)
    return answer


def reply(payload: dict[str, Any]) -> Response:
    """A success of the JSON protocol."""
    from ministack.core.responses import json_response

    answer: Response = json_response(payload)
    return answer


def payload_of(response: Response) -> dict[str, Any]:
    """The JSON body of a success.

    Raises:
        RefusedError: the response is an error.
    """
    status, _, body = response
    payload: dict[str, Any] = json.loads(body) if body else {}
    if status >= 400:
        code = str(payload.get("__type", "UnknownError")).rsplit("#", 1)[-1]
        raise RefusedError(code, str(payload.get("message", payload)), status)
    return payload
