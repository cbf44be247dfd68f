"""Policies that demand TLS: this server speaks plain HTTP on loopback and counts it as safe."""

from __future__ import annotations

from typing import Any, Final

from local.symbols import Symbol

_EVALUATOR: Final = Symbol(
    "core.iam_evaluator", "pin_request_origin", ("source_ip", "secure_transport")
)
_APP: Final = Symbol("app", "pin_request_origin", ("source_ip", "secure_transport"))

SYMBOLS: Final = (_EVALUATOR, _APP)


def install() -> None:
    """Let aws:SecureTransport be true."""
    pin: Any = _EVALUATOR.get()

    def pin_as_secure(source_ip: str, _secure_transport: bool) -> None:  # noqa: FBT001 - theirs
        pin(source_ip, True)

    _EVALUATOR.set(pin_as_secure)
    _APP.set(pin_as_secure)
