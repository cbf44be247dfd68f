"""Why AWS did not answer, in words that name the way out."""

from __future__ import annotations

from typing import Final

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own; the built-in one is not raised by it
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

# For the first question to AWS: whoever has no network is to know within seconds.
PROBE: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=20
)
# For everything after it.
PATIENT: Final = Config(retries={"mode": "standard", "total_max_attempts": 8})

SET_CREDENTIALS: Final = (
    "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `source local/activate` "
    "for the local AWS."
)
_REFUSED_CREDENTIALS: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def explained(error: BotoCoreError | ClientError) -> str:
    """What went wrong between this machine and AWS, and what to do about it."""
    if isinstance(error, ClientError):
        return _answer(error)
    if isinstance(error, NoCredentialsError):
        return f"There are no AWS credentials. {SET_CREDENTIALS}"
    if isinstance(error, ProfileNotFound | PartialCredentialsError | CredentialRetrievalError):
        return f"The AWS credentials cannot be read: {error}. {SET_CREDENTIALS}"
    if isinstance(error, NoRegionError):
        return "There is no AWS region. Set region in config/<environment>/config.yaml."
    if isinstance(error, ConnectionError | HTTPClientError):
        return (
            f"AWS cannot be reached: {error}. Where AWS_ENDPOINT_URL is set, the local AWS is "
            "asked: `make local-up` starts it. Elsewhere, look at the network and its proxy."
        )
    return f"AWS cannot be asked: {error}"


def _answer(error: ClientError) -> str:
    code, message = error.response["Error"].get("Code"), error.response["Error"].get("Message")
    if code in _REFUSED_CREDENTIALS:
        return f"AWS refuses the credentials ({code}: {message}). {SET_CREDENTIALS}"
    if code in _DENIED:
        return (
            f"The credentials may not do this ({code}: {message}). docs/operations.md lists the "
            "permissions."
        )
    return f"AWS refused {error.operation_name} ({code}): {message}"
