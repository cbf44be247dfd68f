"""Protection from scale-in: a worker with a message in hand is not the one that is taken away.

What scales a service in sees only what waits in its queue, so a long piece of work would be stopped
for an empty queue, come back, be stopped again, and in the end be a dead letter.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT_VARIABLE: Final = "ECS_AGENT_URI"
"""ECS sets it in every container."""
PROTECTED_MINUTES: Final = 720
"""As long as SQS lets a message be hidden; a task that ends earlier needs none."""
_TIMEOUT_SECONDS: Final = 5

_log: Final = logging.getLogger(__name__)


@contextmanager
def from_scale_in(agent: str | None) -> Iterator[None]:
    """While entered, keep ECS from stopping this task for want of work.

    Where there is no agent nobody scales. What the agent refuses is logged and goes on unprotected:
    a message whose worker is stopped returns to the queue.
    """
    if agent is None:
        yield
        return
    _ask(agent, {"ProtectionEnabled": True, "ExpiresInMinutes": PROTECTED_MINUTES})
    try:
        yield
    finally:
        _ask(agent, {"ProtectionEnabled": False})


def _ask(agent: str, state: dict[str, Any]) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
    request = Request(  # noqa: S310 - the address is ECS's own
        f"{agent}/task-protection/v1/state",
        data=json.dumps(state).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    refused: object
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the same
            # Status 200 too may tell of a failure, e.g. DEPLOYMENT_BLOCKED.
            refused = json.load(answer).get("failure")
    except (OSError, HTTPException, ValueError) as error:
        refused = error
    if refused is not None:
        _log.warning("ECS did not take %s: %s", state, refused)
