"""Calls to this very local AWS, made as any client would make them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from local.location import SECRET_ACCESS_KEY, endpoint


def client(service: str) -> Any:
    """Return a boto3 client for the account and region of the request in hand.

    Only for threads other than the event loop's, since the loop has to answer the call.
    """
    from ministack.core.responses import get_account_id, get_region

    return _client(service, get_account_id(), get_region(), int(os.environ["GATEWAY_PORT"]))


@cache
def _client(service: str, account_id: str, region: str, port: int) -> Any:
    import boto3

    session = boto3.session.Session(
        aws_access_key_id=account_id,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=region,
    )
    return session.client(service, endpoint_url=endpoint(port))  # type: ignore[call-overload]
