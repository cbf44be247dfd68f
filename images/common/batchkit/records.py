"""Run records in the table, one item each: read, and changed under a condition."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchkit.conditional import Written, update
from batchkit.errors import UnknownRunError
from batchkit.items import packed, timestamp, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient


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

    def change_if(  # noqa: PLR0913, PLR0917 - an update of DynamoDB's with its condition
        self,
        run_id: str,
        expression: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> Written:
        """Update a run's record if a condition holds; the outcome's item is what was before.

        Raises:
            UnknownRunError: there is no such run.
        """
        written = update(
            self.client,
            self.table,
            record_key(run_id),
            expression,
            condition=f"attribute_exists(id) AND {condition}",
            names=names,
            values={**values, **condition_values, ":updated": timestamp(self.clock())},
            returns="UPDATED_OLD",
        )
        if not written.done and not written.item:
            raise self._unknown(run_id)
        return written

    def change(
        self, run_id: str, expression: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Update a run's record and return all of it.

        Raises:
            UnknownRunError: there is no such run.
        """
        verb, rest = expression.split(" ", 1)
        stamped = (
            f"SET {rest}, updated_at = :updated"
            if verb == "SET"
            else f"{expression} SET updated_at = :updated"
        )
        written = update(
            self.client,
            self.table,
            record_key(run_id),
            stamped,
            condition="attribute_exists(id)",
            names=names,
            values={**values, ":updated": timestamp(self.clock())},
        )
        if not written.done:
            raise self._unknown(run_id)
        return written.item

    def _unknown(self, run_id: str) -> UnknownRunError:
        return UnknownRunError(f"The ledger {self.table} has no run '{run_id}'.")


def record_key(run_id: str) -> str:
    """Return the key of a run's record."""
    return f"run#{run_id}"
