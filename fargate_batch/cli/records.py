"""The runs of an environment: what the ledger records, and input files that it does not know yet.

Every version of an object below positions/ is a run. Its id follows from bucket, key and version,
so S3's list of versions says which runs there are, and the ledger how far each has come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from batchkit.batches import get_items
from batchkit.errors import UnknownRunError
from batchkit.items import timestamp
from batchkit.records import record_key
from batchkit.runs import POSITIONS_PREFIX, run_id
from batchkit.versions import list_versions

from fargate_batch import project
from fargate_batch.names import Output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fargate_batch.environment import Environment

WAITING: Final = "waiting"
"""The state of a run without a record: its first task has not begun."""
_EARLIER_MS: Final = 300_000
"""Clocks differ; lines of a run may be a little older than its record."""


@dataclass(frozen=True)
class Input:
    """One version of a positions file."""

    run_id: str
    bucket: str
    key: str
    version_id: str | None
    created_at: datetime

    def waiting(self) -> dict[str, Any]:
        """What its record would say if a task had begun it."""
        return {
            "run_id": self.run_id,
            "state": WAITING,
            "input_bucket": self.bucket,
            "input_key": self.key,
            "input_version": self.version_id,
            "created_at": timestamp(self.created_at.timestamp()),
        }


def list_inputs(environment: Environment, since: datetime | None = None) -> Iterator[Input]:
    """Every version of a positions file, in the order of its key; those since then."""
    bucket = environment[Output.INPUT_BUCKET_NAME]
    for found in list_versions(environment.client("s3"), bucket, POSITIONS_PREFIX):
        key, version = found.event.key, found.event.version_id
        if since is None or found.written_at >= since:
            yield Input(run_id(bucket, key, version), bucket, key, version, found.written_at)


def list_runs(environment: Environment, since: datetime) -> list[dict[str, Any]]:
    """The runs of the files that came since then, the latest first.

    One listing of the input bucket and one read for each of these runs, whatever else is in the
    ledger.
    """
    inputs = {one.run_id: one for one in list_inputs(environment, since)}
    known = read_items(environment, map(record_key, inputs))
    return latest_first(known.get(record_key(run), one.waiting()) for run, one in inputs.items())


def list_all_runs(environment: Environment) -> list[dict[str, Any]]:
    """Every run there is, those too whose input file is gone, the latest first.

    It reads the whole ledger, claims and all.
    """
    known = {record["run_id"]: record for record in environment.ledger().all()}
    waiting = (one.waiting() for one in list_inputs(environment) if one.run_id not in known)
    return latest_first([*known.values(), *waiting])


def latest_first(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records in the order of their beginning, the latest first."""
    return sorted(records, key=lambda record: str(record["created_at"]), reverse=True)


def read_items(environment: Environment, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The ledger's items with these keys, by key; what it does not hold is left out."""
    return get_items(environment.client("dynamodb"), environment[Output.LEDGER_TABLE_NAME], keys)


def find_run(environment: Environment, run: str) -> dict[str, Any]:
    """A run's record, or what it would be for a file that no task has begun.

    Raises:
        UnknownRunError: the environment has neither.
    """
    try:
        return environment.ledger().get(run)
    except UnknownRunError:
        for one in list_inputs(environment):
            if one.run_id == run:
                return one.waiting()
    raise UnknownRunError(unknown(environment, run))


def since_ms(record: dict[str, Any]) -> int:
    """From when there may be log lines of a run, in milliseconds since the epoch."""
    begun = datetime.fromisoformat(record["created_at"]).timestamp()
    return max(0, int(begun * 1000) - _EARLIER_MS)


def unknown(environment: Environment, run: str) -> str:
    """What to say of a run that the environment does not have."""
    others = [name for name in project.environments(environment.folder) if name != environment.name]
    elsewhere = f" Is it another environment's ({', '.join(others)})?" if others else ""
    return (
        f"There is no run '{run}' in {environment.name}: neither the ledger nor the input bucket "
        f"knows it.{elsewhere} `batch runs --environment {environment.name}` lists its runs."
    )
