"""Marks a claim as waiting: its work is put on its queue without an event of S3's or ECS's."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from batchkit.claims import ClaimState, about, claim_key
from batchkit.conditional import assigned, update
from batchkit.items import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchkit.claims import Claims
    from batchkit.events import S3Event


def nudge(claims: Claims, stage: str, event: S3Event, run_id: str, seen: Mapping[str, Any]) -> bool:
    """Mark a claim as waiting if it is still as it was `seen`; of several one is told True.

    The attempts stay as they are, so that what nobody can work ends among the dead letters.
    """
    token = uuid.uuid4().hex
    assignments, values = assigned(
        {
            **about(stage, event, run_id),
            "state": ClaimState.WAITING.value,
            "nudged_by": token,
            "updated_at": timestamp(claims.clock()),
        }
    )
    if seen:
        condition = "#state = :seen AND updated_at = :seen_at"
        values |= {":seen": seen["state"], ":seen_at": seen["updated_at"]}
    else:
        condition = "attribute_not_exists(id)"
    written = update(
        claims.client,
        claims.table,
        claim_key(stage, event),
        f"SET {assignments}, attempts = if_not_exists(attempts, :zero) "
        "REMOVE #owner, lease_until ADD nudges :one",
        condition=condition,
        values={**values, ":zero": 0, ":one": 1},
    )
    # A repeated write is refused by the first one, whose answer was lost: then the token is ours.
    return written.done or written.item.get("nudged_by") == token


def revive(claims: Claims, claim_id: str) -> dict[str, Any]:
    """Mark a claim as waiting, all attempts before it, whatever it is now; return its item.

    Whoever holds it loses it. Whoever had completed it completes it again: the same bytes under
    the same keys.
    """
    written = update(
        claims.client,
        claims.table,
        claim_id,
        "SET #state = :waiting, attempts = :zero, updated_at = :stamp "
        "REMOVE #owner, lease_until, nudges",
        condition="attribute_exists(id)",
        values={
            ":waiting": ClaimState.WAITING.value,
            ":zero": 0,
            ":stamp": timestamp(claims.clock()),
        },
    )
    return written.item
