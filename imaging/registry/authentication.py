"""Proving to a registry who is asking: basic credentials, and the tokens that they buy.

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests.auth import AuthBase
from requests.utils import parse_dict_header

from imaging.registry.errors import refusal

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class Credentials:
    """A user's name and password at a registry."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class Header(AuthBase):
    """Sets the Authorization header, or none.

    Given as requests' `auth`, it also keeps a ~/.netrc from replacing the header.
    """

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set it; requests calls this."""
        if self._value is not None:
            request.headers["Authorization"] = self._value
        return request


def answer(
    challenge: requests.Response,
    session: requests.Session,
    credentials: Credentials | None,
    scope: str,
) -> str | None:
    """The Authorization header that a 401's challenge asks for; None when there is none to give.

    Raises:
        RegistryError: the token service refuses.
    """
    scheme, _, rest = challenge.headers.get("WWW-Authenticate", "").partition(" ")
    if scheme.lower() == "basic":
        return credentials.basic if credentials else None
    if scheme.lower() != "bearer":
        return None
    asked: dict[str, str] = parse_dict_header(rest)  # type: ignore[no-untyped-call]  # requests' own
    parameters = {"scope": asked.get("scope", scope)}
    if "service" in asked:
        parameters["service"] = asked["service"]
    response = session.get(
        asked["realm"],
        params=parameters,
        auth=Header(credentials.basic if credentials else None),
        timeout=(5, 30),
    )
    if not response.ok:
        raise refusal(response, asked["realm"], f"give a token for {parameters['scope']}")
    given = response.json()
    return f"Bearer {given.get('token') or given['access_token']}"
