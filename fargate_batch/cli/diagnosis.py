"""Why a run stands where it stands, and the command that moves it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from batchkit.claims import ClaimState, claim_key
from batchkit.events import S3Event
from batchkit.redrive import can_redrive
from batchkit.runs import RunKeys
from batchkit.states import FINAL_STATES, RunState
from batchkit.versions import list_versions

from fargate_batch.cli.failures import FailedTask, failed_tasks
from fargate_batch.cli.logs import errors_among, logs_of
from fargate_batch.cli.records import WAITING, read_items
from fargate_batch.names import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fargate_batch.environment import Environment

LAST_ERRORS: Final = 5
ABSENT: Final = "not begun"


@dataclass(frozen=True)
class Piece:
    """One object of the run that a stage has not done with."""

    stage: str
    key: str
    state: str
    """Its claim's, or that there is none."""
    attempts: int
    reason: str | None
    """Why the last attempt failed."""


@dataclass(frozen=True)
class Diagnosis:
    """All that is known about why a run is where it is."""

    run_id: str
    state: str
    reason: str | None
    stage: str | None
    """Which one rejected it, or gave it up, or has it now."""
    attempts: int | None
    """Of the piece that was tried most."""
    pieces: list[Piece]
    errors: list[dict[str, Any]]
    """The last log lines that are errors."""
    failed_tasks: list[FailedTask]
    command: str
    """What moves the run on, or shows its end."""

    def as_json(self) -> dict[str, Any]:
        """The same for a script."""
        return asdict(self)


def diagnose(environment: Environment, record: dict[str, Any]) -> Diagnosis:
    """Gather what ledger, logs and ECS's events say of a run."""
    state = record["state"]
    # What is rejected or reported has nothing left to do, whatever lies in the bucket, unless a
    # stage that listens to the end of runs has failed after the report.
    failed_late = state == RunState.REPORTED and record.get("dead_claims")
    ended = state in FINAL_STATES and not failed_late
    pieces = [] if ended else list(pieces_left(environment, record))
    worst = max(pieces, key=lambda piece: (piece.state == "dead", piece.attempts), default=None)
    errors = errors_among(logs_of(environment, record).new())
    if state == RunState.REJECTED:
        # Why is said first, and need not be said again.
        errors = [line for line in errors if record["reason"] not in line.get("message", "")]
    return Diagnosis(
        run_id=record["run_id"],
        state=state,
        reason=record.get("reason") or (worst.reason if worst else None),
        stage=record.get("rejected_by") or (worst.stage if worst else None),
        attempts=worst.attempts if worst else None,
        pieces=pieces,
        errors=errors[-LAST_ERRORS:],
        failed_tasks=failed_tasks(environment, record),
        command=way_on(environment, record),
    )


def pieces_left(environment: Environment, record: dict[str, Any]) -> Iterator[Piece]:
    """The objects of the run whose stage has not done with them, in the catalogue's order."""
    wanted: dict[str, tuple[str, str]] = {}
    objects = list(objects_of(environment, record))
    for route in environment.place().routes:
        for bucket, event in objects:
            if bucket == route.bucket and route.matches(event.key):
                wanted[claim_key(route.stage, event)] = (route.stage, event.key)
    claims = read_items(environment, wanted)
    for claim_id, (stage, key) in wanted.items():
        claim = claims.get(claim_id, {})
        if claim.get("state") != ClaimState.DONE:
            yield Piece(
                stage,
                key,
                str(claim.get("state", ABSENT)),
                int(claim.get("attempts", 0)),
                claim.get("reason"),
            )


def objects_of(environment: Environment, record: dict[str, Any]) -> Iterator[tuple[str, S3Event]]:
    """The run's input, and what its stages have written so far, each with its kind of bucket."""
    yield (
        "input",
        S3Event(record["input_bucket"], record["input_key"], record.get("input_version")),
    )
    bucket = environment[Output.OUTPUT_BUCKET_NAME]
    prefix = RunKeys(record["run_id"]).prefix
    for found in list_versions(environment.client("s3"), bucket, prefix):
        # Of what was written again with the same bytes the stages work the last version.
        if found.is_latest:
            yield "output", found.event


def way_on(environment: Environment, record: dict[str, Any]) -> str:
    """The command that redrives or mends the run, or shows what came of it."""
    run, end = record["run_id"], f"--environment {environment.name}"
    match record["state"]:
        case RunState.REJECTED:
            # Of pieces that died before, nothing more is wanted.
            return f"batch submit FILE {end}"
        case _ if can_redrive(record):
            return f"batch redrive {run} {end}"
        case RunState.REPORTED:
            return f"batch report {run} {end}"
        case state if state == WAITING:
            return f"batch reconcile {end}"
        case _:
            return f"batch follow {run} {end}"
