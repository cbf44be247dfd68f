"""The ledger's record of a run, `run#<run-id>`: its state, its counts and its timings.

A run is `ingesting`, `calculating`, `reporting` and then `reported`, or `rejected` with a reason.
States only move forward. A run of which a piece could not be worked is `dead-lettered` until it is
redriven, which takes it to where the rest of its work has brought it. Every change is one
conditional write, so that any number of tasks may try, and a write that is repeated because its
answer was lost finds the record as it left it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from batchkit.conditional import Written, assigned, condition_failed
from batchkit.items import packed, timestamp
from batchkit.records import Records, record_key
from batchkit.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchkit.events import S3Event

_ORDER: Final = (
    RunState.INGESTING,
    RunState.CALCULATING,
    RunState.REPORTING,
    RunState.REPORTED,
)


_ENDED: Final = {":reported": RunState.REPORTED.value, ":rejected": RunState.REJECTED.value}
_OPEN: Final = "#state <> :reported AND #state <> :rejected"
_UNREPORTED: Final = (
    f"{_OPEN} AND (attribute_not_exists(state_before) OR state_before <> :reported)"
)
_DEAD: Final = {":dead": RunState.DEAD_LETTERED.value}


def _nobody(_state: RunState, _values: Mapping[str, Any]) -> None:
    """Hear of a run's moves and do nothing about it."""


@dataclass(frozen=True)
class Ledger(Records):
    """The runs of one table, and what may become of them."""

    moved: Callable[[RunState, Mapping[str, Any]], None] = _nobody
    """Is told of every move to another state, and what was recorded with it, once at most."""

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

    def keep_first(self, run_id: str, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Record `value` under `name` unless an earlier attempt has; return what is recorded.

        Raises:
            UnknownRunError: there is no such run.
        """
        written = self.change(
            run_id,
            "SET #value = if_not_exists(#value, :value)",
            {":value": dict(value)},
            names={"#value": name},
            returns="ALL_NEW",
        )
        kept = written.item[name]
        if not isinstance(kept, dict):
            raise TypeError(f"{name} of run {run_id} is {type(kept).__name__}, not a map")
        return kept

    def advance(self, run_id: str, state: RunState, **values: Any) -> bool:
        """Move a run forward to `state` and set `values`; return False when it is past that.

        A dead-lettered run stays so; where it has come to meanwhile shows when it is redriven.

        Raises:
            UnknownRunError: there is no such run.
        """
        before = {
            f":before{index}": earlier.value
            for index, earlier in enumerate(_ORDER[: _ORDER.index(state) + 1])
        }
        earlier = ", ".join(before)
        while True:
            moved = self._move(run_id, state, values, f"#state IN ({earlier})", before)
            if moved.done or moved.item["state"] != RunState.DEAD_LETTERED:
                return moved.done
            assignments, filled = assigned({"state_before": state.value, **values})
            noted = self.change(
                run_id,
                f"SET {assignments}",
                {**filled, **before, **_DEAD},
                condition=f"#state = :dead AND state_before IN ({earlier})",
            )
            # Redriven between the two, it is moved as any other.
            if noted.done or noted.item["state"] == RunState.DEAD_LETTERED:
                return noted.done

    def reject(self, run_id: str, reason: str, stage: str | None = None) -> bool:
        """Close a run with a reason, the first one counts; return False when it has a report.

        Raises:
            UnknownRunError: there is no such run.
        """
        values = {"reason": reason, "rejected_by": stage, "rejected_at": timestamp(self.clock())}
        moved = self._move(run_id, RunState.REJECTED, values, _UNREPORTED, _ENDED)
        return moved.done or moved.item["state"] == RunState.REJECTED

    def dead_letter(self, run_id: str, claim_id: str, reason: str) -> bool:
        """Record that a piece of a run could not be worked; return False when the run has its end.

        Raises:
            UnknownRunError: there is no such run.
        """
        written = self.change(
            run_id,
            "SET state_before = if_not_exists(state_before, #state), #state = :dead, "
            "reason = if_not_exists(reason, :reason) ADD dead_claims :claims, deaths :one",
            {**_DEAD, **_ENDED, ":reason": reason, ":claims": {claim_id}, ":one": 1},
            condition=_OPEN,
        )
        if written.done:
            self._tell(written, RunState.DEAD_LETTERED, {"reason": reason})
        return written.done

    def note_dead(self, run_id: str, claim_id: str) -> bool:
        """Record that a piece could not be worked that its run can do without.

        The run's state stays. Return False when it is rejected: then nothing more is wanted of it.

        Raises:
            UnknownRunError: there is no such run.
        """
        return self.change(
            run_id,
            "ADD dead_claims :claims, deaths :one",
            {":claims": {claim_id}, ":one": 1, ":rejected": RunState.REJECTED.value},
            condition="#state <> :rejected",
        ).done

    def redriven(self, run_id: str, dead_claims: set[str]) -> bool:
        """Take a dead-lettered run back to where it was; return False when it is not one.

        Args:
            run_id: the run.
            dead_claims: what it is dead-lettered for, as it was read; if that has changed since,
                it stays. They stay recorded until `put_back`, so that a redrive that breaks off can
                be repeated.

        Raises:
            UnknownRunError: there is no such run.
        """
        return self.change(
            run_id,
            "SET #state = state_before REMOVE state_before, reason",
            {**_DEAD, ":claims": dead_claims},
            condition="#state = :dead AND dead_claims = :claims",
        ).done

    def put_back(self, run_id: str, claim_ids: set[str], deaths: int) -> bool:
        """Record that these claims of a run are on their queues again.

        Return False when a piece of it has died since there had been so many deaths: it may be one
        of them.

        Raises:
            UnknownRunError: there is no such run.
        """
        return self.change(
            run_id,
            "DELETE dead_claims :claims",
            {":claims": claim_ids, ":deaths": deaths},
            condition="(attribute_not_exists(deaths) OR deaths = :deaths)",
        ).done

    def start_stage(self, run_id: str, stage: str) -> None:
        """Record when a stage began with a run; the first of several tasks counts.

        Raises:
            UnknownRunError: there is no such run.
        """
        # A map inside a map cannot be made and filled by one expression, hence two writes.
        self.change(
            run_id,
            "SET stages.#stage = if_not_exists(stages.#stage, :empty)",
            {":empty": {}},
            names={"#stage": stage},
        )
        self.change(
            run_id,
            "SET stages.#stage.started_at = if_not_exists(stages.#stage.started_at, :stamp)",
            {":stamp": timestamp(self.clock())},
            names={"#stage": stage},
        )

    def finish_stage(self, run_id: str, stage: str) -> dict[str, Any]:
        """Record when a stage ended, the last of several tasks counts; return its timing.

        A run that has its end keeps the timings that it ended with.

        Raises:
            UnknownRunError: there is no such run.
        """
        now = self.clock()
        kept = self.get(run_id).get("stages", {}).get(stage, {})
        started = kept.get("started_at")
        began = datetime.fromisoformat(started).timestamp() if started else now
        timing = {
            "started_at": timestamp(began),
            "finished_at": timestamp(now),
            "seconds": round(max(0.0, now - began), 3),
        }
        written = self.change(
            run_id,
            "SET stages.#stage = :timing",
            {":timing": timing, **_ENDED},
            condition=_OPEN,
            names={"#stage": stage},
        )
        return timing if written.done else dict(written.item["stages"].get(stage, timing))

    def shard_done(self, run_id: str, shard: str) -> tuple[int, int]:
        """Record that a shard is done, once or again; return how many are, of how many.

        Raises:
            UnknownRunError: there is no such run.
        """
        record = self.change(
            run_id, "ADD shards_done :shard", {":shard": {shard}}, returns="ALL_NEW"
        ).item
        return len(record["shards_done"]), int(record["shards"])

    def _move(
        self,
        run_id: str,
        state: RunState,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> Written:
        assignments, filled = assigned({"state": state.value, **values})
        written = self.change(
            run_id, f"SET {assignments}", {**filled, **condition_values}, condition=condition
        )
        if written.done:
            self._tell(written, state, values)
        return written

    def _tell(self, written: Written, state: RunState, values: Mapping[str, Any]) -> None:
        if written.item.get("state") != state.value:
            self.moved(state, values)
