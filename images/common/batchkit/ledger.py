"""The ledger's record of a run, `run#<run-id>`: its state, its counts and its timings.

A run is `ingesting`, `calculating`, `reporting` and then `reported`, or `rejected` with a reason.
States only move forward. A run of which a piece could not be worked is `dead-lettered` until it is
redriven, which takes it back to where it was. Every change is one conditional write, so that any
number of tasks may try, and a write that is repeated because its answer was lost finds the record
as it left it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from batchkit.errors import UnknownRunError
from batchkit.items import condition_failed, packed, timestamp, unpacked
from batchkit.runs import RunKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from batchkit.events import S3Event


class RunState(StrEnum):
    """Where a run stands."""

    INGESTING = "ingesting"
    CALCULATING = "calculating"
    REPORTING = "reporting"
    REPORTED = "reported"
    REJECTED = "rejected"
    DEAD_LETTERED = "dead-lettered"


FINAL_STATES: Final = frozenset({RunState.REPORTED, RunState.REJECTED})
"""A run in one of these stays in it, and no stage has anything left to do for it."""
TERMINAL_STATES: Final = FINAL_STATES | {RunState.DEAD_LETTERED}
"""A run in one of these moves no more unless an operator acts. The stages go on with what is left
of a dead-lettered run, for it may be redriven."""
_ORDER: Final = (
    RunState.INGESTING,
    RunState.CALCULATING,
    RunState.REPORTING,
    RunState.REPORTED,
)


@dataclass(frozen=True)
class Ledger:
    """The runs of one table."""

    client: DynamoDBClient
    table: str
    clock: Callable[[], float] = field(default=time.time)

    def begin(self, run_id: str, event: S3Event) -> dict[str, Any]:
        """Record that a run exists, unless it does already; return its record."""
        stamp = timestamp(self.clock())
        record: dict[str, Any] = {
            "id": record_key(run_id),
            "run_id": run_id,
            "state": RunState.INGESTING.value,
            "input_bucket": event.bucket,
            "input_key": event.key,
            "input_version": event.version_id,
            "report_prefix": RunKeys(run_id).report_prefix,
            "stages": {},
            "created_at": stamp,
            "updated_at": stamp,
        }
        try:
            self.client.put_item(
                TableName=self.table,
                Item=packed(record),
                ConditionExpression="attribute_not_exists(id)",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return self.get(run_id)
        return record

    def get(self, run_id: str) -> dict[str, Any]:
        """Return a run's record.

        Raises:
            UnknownRunError: there is no such run.
        """
        answer = self.client.get_item(
            TableName=self.table, Key=packed({"id": record_key(run_id)}), ConsistentRead=True
        )
        if "Item" not in answer:
            raise UnknownRunError(f"The ledger {self.table} has no run '{run_id}'.")
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

    def keep_first(self, run_id: str, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Record `value` under `name` unless an earlier attempt has; return what is recorded.

        Raises:
            UnknownRunError: there is no such run.
        """
        record = self._update(
            run_id,
            "SET #value = if_not_exists(#value, :value)",
            {"#value": name},
            {":value": dict(value)},
        )
        kept = record[name]
        if not isinstance(kept, dict):
            raise TypeError(f"{name} of run {run_id} is {type(kept).__name__}, not a map")
        return kept

    def advance(self, run_id: str, state: RunState, **values: Any) -> bool:
        """Move a run forward to `state` and set `values`; return False when it is past that.

        Raises:
            UnknownRunError: there is no such run.
        """
        before = {
            f":before{index}": earlier.value
            for index, earlier in enumerate(_ORDER[: _ORDER.index(state) + 1])
        }
        return self._move(run_id, state, values, f"#state IN ({', '.join(before)})", before)

    def reject(self, run_id: str, reason: str) -> bool:
        """Close a run with a reason; return False when it has a report already.

        Raises:
            UnknownRunError: there is no such run.
        """
        return self._move(
            run_id,
            RunState.REJECTED,
            {"reason": reason},
            "#state <> :reported",
            {":reported": RunState.REPORTED.value},
        )

    def start_stage(self, run_id: str, stage: str) -> None:
        """Record when a stage began with a run; the first of several tasks counts.

        Raises:
            UnknownRunError: there is no such run.
        """
        # A map inside a map cannot be made and filled by one expression, hence two writes.
        self._update(
            run_id,
            "SET stages.#stage = if_not_exists(stages.#stage, :empty)",
            {"#stage": stage},
            {":empty": {}},
        )
        self._update(
            run_id,
            "SET stages.#stage.started_at = if_not_exists(stages.#stage.started_at, :stamp)",
            {"#stage": stage},
            {":stamp": timestamp(self.clock())},
        )

    def finish_stage(self, run_id: str, stage: str) -> dict[str, Any]:
        """Record when a stage ended, the last of several tasks counts; return its timing.

        Raises:
            UnknownRunError: there is no such run.
        """
        now = self.clock()
        started = self.get(run_id).get("stages", {}).get(stage, {}).get("started_at")
        began = datetime.fromisoformat(started).timestamp() if started else now
        timing = {
            "started_at": timestamp(began),
            "finished_at": timestamp(now),
            "seconds": round(max(0.0, now - began), 3),
        }
        self._update(run_id, "SET stages.#stage = :timing", {"#stage": stage}, {":timing": timing})
        return timing

    def shard_done(self, run_id: str, shard: str) -> tuple[int, int]:
        """Record that a shard is done, once or again; return how many are, of how many.

        Raises:
            UnknownRunError: there is no such run.
        """
        record = self._update(run_id, "ADD shards_done :shard", {}, {":shard": {shard}})
        return len(record["shards_done"]), int(record["shards"])

    def _move(
        self,
        run_id: str,
        state: RunState,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> bool:
        names = {f"#v{index}": name for index, name in enumerate(values)}
        settings = "".join(f", {name} = :{name[1:]}" for name in names)
        filled = {f":v{index}": value for index, value in enumerate(values.values())}
        try:
            self._update(
                run_id,
                f"SET #state = :state{settings}",
                {"#state": "state", **names},
                {":state": state.value, **filled, **condition_values},
                condition,
            )
        except UnknownRunError:
            self.get(run_id)  # raises when it is true; else the condition was what failed
            return False
        return True

    def _update(
        self,
        run_id: str,
        expression: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        condition: str | None = None,
    ) -> dict[str, Any]:
        verb, rest = expression.split(" ", 1)
        stamped = (
            f"SET {rest}, updated_at = :updated"
            if verb == "SET"
            else f"{expression} SET updated_at = :updated"
        )
        arguments: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
        try:
            answer = self.client.update_item(
                TableName=self.table,
                Key=packed({"id": record_key(run_id)}),
                UpdateExpression=stamped,
                ConditionExpression=" AND ".join(
                    part for part in ("attribute_exists(id)", condition) if part
                ),
                ExpressionAttributeValues=packed({**values, ":updated": timestamp(self.clock())}),
                ReturnValues="ALL_NEW",
                **arguments,
            )
        except ClientError as error:
            if condition_failed(error):
                raise UnknownRunError(f"The ledger {self.table} has no run '{run_id}'.") from error
            raise
        return unpacked(answer["Attributes"])


def record_key(run_id: str) -> str:
    """Return the key of a run's record."""
    return f"run#{run_id}"
