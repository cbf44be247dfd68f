"""Claims: who works on an object. One item each, `claim#<stage>#<key>@<version>`.

A claim is taken with a conditional write and holds for a lease, which its owner renews. Whoever
finds it taken leaves; whoever finds the lease expired takes it over, and then the former owner can
neither renew nor complete it. Every taking over is an attempt, and there are three. A claim whose
attempts are used up is taken over once more, by whoever finds it, to be put among the dead letters.

An owner's name is new for every taking, so an answer that got lost is no riddle: a repeated write
that is refused by an item with this very owner in it was done the first time.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from batchkit.conditional import Written, assigned, update
from batchkit.errors import LostClaimError
from batchkit.items import packed, timestamp, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from batchkit.events import S3Event

LEASE_SECONDS: Final = 60.0
MAX_ATTEMPTS: Final = 3

_FREE: Final = (
    "(#state = :failed OR #state = :waiting OR (#state = :claimed AND lease_until <= :now))"
)
_WORDLESS: Final = "Its last attempt ended without a word, as one does that is killed."


class ClaimState(StrEnum):
    """Where a piece of work stands."""

    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    """Given up by its owner; free to be taken."""
    WAITING = "waiting"
    """Put on its queue by a reconcile or a redrive; free to be taken."""
    DEAD = "dead"
    """Among the dead letters; nobody takes it until it is redriven."""


_FREE_STATES: Final = {
    ":claimed": ClaimState.CLAIMED.value,
    ":failed": ClaimState.FAILED.value,
    ":waiting": ClaimState.WAITING.value,
}


@dataclass(frozen=True)
class Claim:
    """A claim that this process holds."""

    id: str
    owner: str
    attempt: int


@dataclass(frozen=True)
class Taken:
    """Somebody else holds the claim."""

    owner: str
    lease_until: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Finished:
    """The work is done already."""


@dataclass(frozen=True)
class Buried:
    """The work is among the dead letters already."""


@dataclass(frozen=True)
class Spent:
    """The attempts are used up; this process holds the claim to put it among the dead letters."""

    claim: Claim
    reason: str


@dataclass(frozen=True)
class Claims:
    """The claims of one table."""

    client: DynamoDBClient
    table: str
    lease_seconds: float = LEASE_SECONDS
    clock: Callable[[], float] = field(default=time.time)

    def acquire(
        self, stage: str, event: S3Event, run_id: str
    ) -> Claim | Spent | Taken | Finished | Buried:
        """Claim an object for a stage, unless it is done or somebody works on it."""
        now = self.clock()
        claim_id, owner = claim_key(stage, event), uuid.uuid4().hex
        taken = self._take(
            claim_id,
            {**about(stage, event, run_id), "owner": owner},
            now,
            f"attribute_not_exists(id) OR ({_FREE} AND attempts < :limit)",
            " REMOVE reason ADD attempts :one",
            {":one": 1},
        )
        if taken.done or taken.item.get("owner") == owner:
            return Claim(claim_id, owner, int(taken.item["attempts"]))
        found = taken.item
        if found["state"] == ClaimState.DONE:
            return Finished()
        if found["state"] == ClaimState.DEAD:
            return Buried()
        if found["state"] == ClaimState.CLAIMED and found["lease_until"] > now:
            return Taken(found["owner"], float(found["lease_until"]))
        return self._take_spent(claim_id, owner, now, event)

    def find(self, claim_id: str) -> dict[str, Any]:
        """Return a claim's item as it is now; empty when there is none."""
        answer = self.client.get_item(
            TableName=self.table, Key=packed({"id": claim_id}), ConsistentRead=True
        )
        return unpacked(answer.get("Item", {}))

    def renew(self, claim: Claim) -> None:
        """Hold the claim for another lease.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        until = self.clock() + self.lease_seconds
        self._change(claim, {"state": ClaimState.CLAIMED.value, "lease_until": until})

    def complete(self, claim: Claim) -> None:
        """Record that the work is done; nobody can claim it again.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        self._change(claim, {"state": ClaimState.DONE.value})

    def fail(self, claim: Claim, reason: str) -> None:
        """Give the claim up, so that the next attempt need not wait for the lease to end.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        self._change(claim, {"state": ClaimState.FAILED.value, "reason": reason})

    def release(self, claim: Claim, reason: str) -> None:
        """Give the claim up as if it had not been taken: the interruption is no attempt.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        self._change(
            claim,
            {"state": ClaimState.FAILED.value, "reason": reason},
            " ADD attempts :minus",
            {":minus": -1},
        )

    def bury(self, claim: Claim, reason: str) -> None:
        """Record that the work is among the dead letters; nobody can claim it until it is revived.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        self._change(claim, {"state": ClaimState.DEAD.value, "reason": reason})

    def _take_spent(self, claim_id: str, owner: str, now: float, event: S3Event) -> Spent | Taken:
        taken = self._take(claim_id, {"owner": owner}, now, f"{_FREE} AND attempts >= :limit")
        item = taken.item
        if taken.done or item.get("owner") == owner:
            reason = item.get("reason") or event.failure or _WORDLESS
            return Spent(Claim(claim_id, owner, int(item["attempts"])), str(reason))
        # Another was faster in this moment; whoever asks again will be told what became of it.
        return Taken(str(item.get("owner", "")), float(item.get("lease_until", now)))

    def _take(  # noqa: PLR0913, PLR0917 - what differs between the two ways to take a claim
        self,
        claim_id: str,
        values: Mapping[str, Any],
        now: float,
        condition: str,
        also: str = "",
        also_values: Mapping[str, Any] | None = None,
    ) -> Written:
        assignments, filled = assigned(
            {
                **values,
                "state": ClaimState.CLAIMED.value,
                "lease_until": now + self.lease_seconds,
                "updated_at": timestamp(now),
            }
        )
        return update(
            self.client,
            self.table,
            claim_id,
            f"SET {assignments}, created_at = if_not_exists(created_at, :stamp){also}",
            condition=condition,
            values={
                **filled,
                **_FREE_STATES,
                ":now": now,
                ":limit": MAX_ATTEMPTS,
                ":stamp": timestamp(now),
                **(also_values or {}),
            },
        )

    def _change(
        self,
        claim: Claim,
        values: Mapping[str, Any],
        also: str = "",
        also_values: Mapping[str, Any] | None = None,
    ) -> None:
        assignments, filled = assigned({**values, "updated_at": timestamp(self.clock())})
        written = update(
            self.client,
            self.table,
            claim.id,
            f"SET {assignments}{also}",
            condition="#state = :claimed AND #owner = :owner",
            values={
                **filled,
                ":claimed": ClaimState.CLAIMED.value,
                ":owner": claim.owner,
                **(also_values or {}),
            },
        )
        ours = written.item.get("owner") == claim.owner
        if not written.done and not (ours and written.item["state"] == values["state"]):
            raise LostClaimError(f"{claim.id} belongs to another owner now.")


def claim_key(stage: str, event: S3Event) -> str:
    """Return the key of the claim that a stage has on an object."""
    return f"claim#{stage}#{event.key}@{event.version_id or 'null'}"


def about(stage: str, event: S3Event, run_id: str) -> dict[str, Any]:
    """Everything from which the event can be told again."""
    return {
        "run_id": run_id,
        "stage": stage,
        "bucket": event.bucket,
        "key": event.key,
        "version_id": event.version_id,
    }
