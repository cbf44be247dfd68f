"""Claims: who works on an object. One item each, `claim#<stage>#<key>@<version>`.

A claim is taken with a conditional write and holds for a lease, which its owner renews. Whoever
finds it taken leaves; whoever finds the lease expired takes it over, and then the former owner can
neither renew nor complete it.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from batchkit.errors import LostClaimError
from batchkit.items import condition_failed, packed, timestamp, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from batchkit.events import S3Event

LEASE_SECONDS: Final = 60.0


class ClaimState(StrEnum):
    """Where a piece of work stands."""

    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"


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
class Claims:
    """The claims of one table."""

    client: DynamoDBClient
    table: str
    lease_seconds: float = LEASE_SECONDS
    clock: Callable[[], float] = field(default=time.time)

    def acquire(self, stage: str, event: S3Event, run_id: str) -> Claim | Taken | Finished:
        """Claim an object for a stage, unless it is done or somebody works on it."""
        now = self.clock()
        claim_id = claim_key(stage, event)
        owner = uuid.uuid4().hex
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key=packed({"id": claim_id}),
                UpdateExpression=(
                    "SET #state = :claimed, #owner = :owner, lease_until = :until, "
                    "run_id = :run, #bucket = :bucket, updated_at = :stamp, "
                    "created_at = if_not_exists(created_at, :stamp) "
                    "REMOVE reason ADD attempts :one"
                ),
                ConditionExpression=(
                    "attribute_not_exists(id) OR #state = :failed "
                    "OR (#state = :claimed AND lease_until <= :now)"
                ),
                ExpressionAttributeNames={
                    "#state": "state",
                    "#owner": "owner",
                    "#bucket": "bucket",
                },
                ExpressionAttributeValues=packed(
                    {
                        ":claimed": ClaimState.CLAIMED.value,
                        ":failed": ClaimState.FAILED.value,
                        ":owner": owner,
                        ":now": now,
                        ":until": now + self.lease_seconds,
                        ":run": run_id,
                        ":bucket": event.bucket,
                        ":stamp": timestamp(now),
                        ":one": 1,
                    }
                ),
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            found = self.find(claim_id)
            if found.get("state") == ClaimState.DONE:
                return Finished()
            return Taken(str(found.get("owner", "")), float(found.get("lease_until", now)))
        return Claim(claim_id, owner, int(unpacked(answer["Attributes"])["attempts"]))

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
        self._change(claim, {"lease_until": self.clock() + self.lease_seconds})

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

    def _change(self, claim: Claim, values: dict[str, Any]) -> None:
        values = {**values, "updated_at": timestamp(self.clock())}
        names = {f"#v{index}": name for index, name in enumerate(values)}
        try:
            self.client.update_item(
                TableName=self.table,
                Key=packed({"id": claim.id}),
                UpdateExpression="SET " + ", ".join(f"{name} = :{name[1:]}" for name in names),
                ConditionExpression="#state = :claimed AND #owner = :owner",
                ExpressionAttributeNames={**names, "#state": "state", "#owner": "owner"},
                ExpressionAttributeValues=packed(
                    {
                        **{f":v{index}": value for index, value in enumerate(values.values())},
                        ":claimed": ClaimState.CLAIMED.value,
                        ":owner": claim.owner,
                    }
                ),
            )
        except ClientError as error:
            if condition_failed(error):
                raise LostClaimError(f"{claim.id} belongs to another owner now.") from error
            raise


def claim_key(stage: str, event: S3Event) -> str:
    """Return the key of the claim that a stage has on an object."""
    return f"claim#{stage}#{event.key}@{event.version_id or 'null'}"
