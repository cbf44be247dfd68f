"""Run records in the table, one item each: read, and changed under a condition."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchkit.conditional import update
from batchkit.errors import UnknownRunError
from batchkit.items import packed, timestamp, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from batchkit.conditional import Returned, Written


@dataclass(frozen=True)
class Records:
    """The run records of one table."""

    client: DynamoDBClient
    table: str
    clock: Callable[[], float] = field(default=time.time)

    def get(self, run_id: str) -> dict[str, Any]:
        """Return a run's record.

        Raises:
            UnknownRunError: there is no such run.
        """
        answer = self.client.get_item(
            TableName=self.table, Key=packed({"id": record_key(run_id)}), ConsistentRead=True
        )
        if "Item" not in answer:
            raise self._unknown(run_id)
        return unpacked(answer["Item"])

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield the record of every run, in no order."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(id, :prefix)",
            ExpressionAttributeValues=packed({":prefix": record_key("")}),
        )
        for page in pages:
            for item in page["Items"]:
                yield unpacked(item)

    def change(  # noqa: PLR0913 - an update of DynamoDB's with its condition
        self,
        run_id: str,
        expression: str,
        values: Mapping[str, Any],
        *,
        condition: str | None = None,
        names: Mapping[str, str] | None = None,
        returns: Returned = "UPDATED_OLD",
    ) -> Written:
        """Update a run's record, if a condition holds, and note when.

        Raises:
            UnknownRunError: there is no such run.
        """
        written = update(
            self.client,
            self.table,
            record_key(run_id),
            _stamped(expression),
            condition=" AND ".join(filter(None, ("attribute_exists(id)", condition))),
            values={**values, ":updated": timestamp(self.clock())},
            names=names,
            returns=returns,
        )
        if not written.done and not written.item:
            raise self._unknown(run_id)
        return written

    def _unknown(self, run_id: str) -> UnknownRunError:
        return UnknownRunError(f"The ledger {self.table} has no run '{run_id}'.")


def record_key(run_id: str) -> str:
    """Return the key of a run's record."""
    return f"run#{run_id}"


def _stamped(expression: str) -> str:
    stamp = "SET updated_at = :updated"
    # An expression has each of its clauses once.
    if expression.startswith("SET "):
        return f"{stamp}, {expression.removeprefix('SET ')}"
    return f"{stamp} {expression}"
