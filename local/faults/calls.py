"""Calls by tasks that fail, before or after they took effect, or that take their time.

Each error has the shape that its service gives it, so that an SDK retries what it would retry on
AWS. https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.ecs import credentials
from local.faults import state
from local.gateway import respond

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from local.faults.settings import CallFaults
    from local.gateway import Application, Receive, Scope, Send

_CREDENTIAL: Final = re.compile(r"Credential=([^/,]+)/\d{8}/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class _Error:
    status: int
    code: str
    message: str


_ERRORS: Final = {
    "dynamodb": (
        _Error(500, "InternalServerError", "The request processing has failed."),
        _Error(
            400,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        _Error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput."),
        _Error(503, "ServiceUnavailable", "Service Unavailable. Please try again later."),
    ),
    "sqs": (
        _Error(500, "InternalFailure", "The request processing has failed."),
        _Error(400, "RequestThrottled", "Request is throttled."),
        _Error(503, "ServiceUnavailable", "The request has failed due to a temporary failure."),
    ),
    "s3": (
        _Error(500, "InternalError", "We encountered an internal error. Please try again."),
        _Error(503, "SlowDown", "Please reduce your request rate."),
        _Error(503, "ServiceUnavailable", "Please reduce your request rate."),
    ),
}
"""By service; the first is the one that may follow an operation that took effect."""

_JSON_PREFIX: Final = {
    "dynamodb": "com.amazonaws.dynamodb.v20120810#",
    "sqs": "com.amazonaws.sqs#",
}


def over(application: Application) -> Application:
    """An application whose services answer tasks as unreliably as is asked for."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        active = state.current()
        call = _task_call(scope) if active is not None else None
        if active is None or call is None or call[0] not in active.faults.calls:
            await application(scope, receive, send)
            return
        service, action = call
        faults = active.faults.calls[service]
        active.count(f"calls.{service}.seen")
        if active.throw("slow", service, action) < faults.slow:
            active.count(f"calls.{service}.slow")
            await asyncio.sleep(active.throw("slow by", service, action) * faults.slow_seconds)
        if active.throw("fail", service, action) >= faults.share:
            await application(scope, receive, send)
            return
        await _fail(active, faults, call, application, (scope, receive, send))

    return faulty


async def _fail(
    active: state.State,
    faults: CallFaults,
    call: tuple[str, str],
    application: Application,
    request: tuple[Scope, Receive, Send],
) -> None:
    service, action = call
    scope, receive, send = request
    errors = _ERRORS[service]
    if active.throw("after", service, action) < faults.after_share:
        active.count(f"calls.{service}.after")
        await application(scope, receive, _nowhere)
        error = errors[0]
    else:
        active.count(f"calls.{service}.before")
        while (await receive()).get("more_body"):
            pass
        error = errors[int(active.throw("error", service, action) * len(errors))]
    headers, body = _shape(service, error)
    await respond(send, error.status, headers, b"" if scope["method"] == "HEAD" else body)


async def _nowhere(_message: MutableMapping[str, Any]) -> None:
    """The answer is lost."""


def _task_call(scope: Scope) -> tuple[str, str] | None:
    """Service and action of a call that is signed by a task; None for others."""
    if scope["type"] != "http":
        return None
    headers = dict(scope["headers"])
    match = _CREDENTIAL.search(headers.get(b"authorization", b"").decode("latin-1"))
    if match is None or match[1] not in credentials.TASK_KEYS:
        return None
    target = headers.get(b"x-amz-target", b"").decode("latin-1")
    return match[2], target.rpartition(".")[2] or scope["method"]


def _shape(service: str, error: _Error) -> tuple[dict[str, str], bytes]:
    request_id = str(uuid.uuid4())
    if service == "s3":
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{error.code}</Code><Message>{error.message}</Message>"
            f"<RequestId>{request_id}</RequestId></Error>"
        )
        return {"content-type": "application/xml", "x-amz-request-id": request_id}, text.encode()
    body = {"__type": _JSON_PREFIX[service] + error.code, "message": error.message}
    headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": request_id}
    return headers, json.dumps(body).encode()
