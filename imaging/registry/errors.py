"""What can go wrong between here and a registry."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    import requests

_WAYS_OUT: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Check the credentials; they may have expired.",
    HTTPStatus.FORBIDDEN: "The credentials are not allowed to do that there.",
    HTTPStatus.NOT_FOUND: "Check the name.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait a while and try again.",
}


class RegistryError(UserError):
    """A registry said no."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class RegistryUnreachableError(UserError):  # it is a state of affairs, not a kind of error
    """Nobody answers where the registry should be."""


def refusal(response: requests.Response, host: str, deed: str) -> RegistryError:
    """The error for a registry's negative answer to `deed`, e.g. 'take the image x:1'."""
    status = response.status_code
    way_out = _WAYS_OUT.get(status, "Try again later.")
    return RegistryError(
        f"The registry {host} refuses to {deed}: {_said(response)} (HTTP {status}). {way_out}",
        status,
    )


def _said(response: requests.Response) -> str:
    try:
        errors = response.json()["errors"]
        return "; ".join(f"{error['code']} {error.get('message', '')}".strip() for error in errors)
    except (ValueError, KeyError, TypeError):
        # No registry's own error: a proxy's page, or no body at all as after HEAD.
        return response.reason or "no reason given"
