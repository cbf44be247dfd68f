"""The drill: files through both dispatch modes while tasks, events and calls fail.

What an operator does is done here too, with the operator's own commands: `batch reconcile` now and
then (the environment does it by itself every five minutes), and `batch redrive --all` when the only
runs left are dead-lettered.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchkit.runs import run_id
from batchkit.states import RunState

from chaos import audit
from chaos.audit import Dropped, Findings
from chaos.files import File
from chaos.project import ENVIRONMENT
from fargate_batch.names import Output
from local.faults.settings import CallFaults, EventFaults, Faults, TaskFaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaos.files import Input
    from chaos.project import Copy
    from fargate_batch.environment import Environment
    from local.faults.client import FaultsClient

ENDED: Final = frozenset({RunState.REPORTED, RunState.REJECTED})
POLL_SECONDS: Final = 2.0
NO_PROGRESS_SECONDS: Final = 900.0
MOST_REDRIVES: Final = 5
"""What dies more often has a reason that no redrive mends."""
_UPLOADERS: Final = 8


@dataclass(frozen=True)
class Drilled:
    """What happened in one drill."""

    dispatch: str
    files: int
    seconds: float
    faults: Mapping[str, int]
    """What went wrong, and `.seen` of each: how often it could have."""
    put_back: int
    """Pieces that `batch reconcile` put on a queue."""
    redriven: int
    """Pieces that `batch redrive --all` put on a queue."""
    findings: Findings


@dataclass
class Effort:
    """What the operator had to do."""

    put_back: int = 0
    redriven: int = 0
    redrives: int = 0
    reconcile_seconds: float = 60.0
    """How often the operator reconciles, and what is younger is left alone."""
    reconciled_at: float = field(default_factory=time.monotonic)


def faults(seed: int) -> Faults:
    """What goes wrong in the drill."""
    calls = CallFaults(share=0.01, after_share=0.5, slow=0.02, slow_seconds=1.0)
    return Faults(
        seed=seed,
        run_task_failures=0.2,
        tasks=TaskFaults(share=0.2, within_seconds=6.0, sigkill_share=0.5),
        events=EventFaults(twice=0.1, late=0.05, delay_seconds=10.0),
        calls={"dynamodb": calls, "sqs": calls, "s3": calls},
    )


def calm(copy: Copy, given: Input) -> dict[int, dict[str, Any]]:
    """Work every content once without faults; return the figures of each."""
    environment = copy.find()
    upload(environment, given.market_data_key, given.market_data)
    files = [
        File(f"positions/calm/{number}.csv", body, number)
        for number, body in enumerate(given.contents)
    ]
    dropped = drop(environment, files)
    wait(copy, environment, dropped, Effort())
    return {
        each.file.content: audit.figures(environment, each.run_id)
        for each in dropped
        if each.file.content is not None
    }


def drill(  # noqa: PLR0913  # what a drill is made of
    copy: Copy,
    given: Input,
    calm_figures: Mapping[int, Mapping[str, Any]],
    client: FaultsClient,
    *,
    dispatch: str,
    files: int,
    seed: int,
    effort: Effort | None = None,
) -> Drilled:
    """Drop files while everything fails, wait for their ends, and hold them against the calm run.

    Args:
        copy: launched.
        given: what to drop.
        calm_figures: of `calm`.
        client: lets things go wrong.
        dispatch: how the stages get their work, for the results.
        files: how many to drop.
        seed: of the files and of the faults.
        effort: how often the operator reconciles.

    Raises:
        CommandError: one of the project's commands failed.
    """
    environment = copy.find()
    chosen = list(given.files(random.Random(seed), files, dispatch))  # noqa: S311 - a drill
    began, effort = time.monotonic(), effort or Effort()
    client.put(faults(seed))
    dropped = drop(environment, chosen)
    wait(copy, environment, dropped, effort)
    seconds = time.monotonic() - began
    counts = client.clear()
    settle(environment)
    findings = audit.inspect(environment, dropped, calm_figures)
    return Drilled(dispatch, files, seconds, counts, effort.put_back, effort.redriven, findings)


def drop(environment: Environment, files: Iterable[File]) -> list[Dropped]:
    """Put files into the input bucket, several at a time."""
    bucket = environment[Output.INPUT_BUCKET_NAME]

    def one(file: File) -> Dropped:
        version = upload(environment, file.key, file.body)
        return Dropped(file, run_id(bucket, file.key, version))

    with ThreadPoolExecutor(_UPLOADERS) as pool:
        return list(pool.map(one, files))


def upload(environment: Environment, key: str, body: bytes) -> str:
    """Put an object into the input bucket and return its version."""
    answer = environment.client("s3").put_object(
        Bucket=environment[Output.INPUT_BUCKET_NAME], Key=key, Body=body
    )
    version: str = answer["VersionId"]
    return version


def wait(copy: Copy, environment: Environment, dropped: Iterable[Dropped], effort: Effort) -> None:
    """Wait until every file has its end, or until nothing has moved for long.

    Raises:
        CommandError: one of the operator's commands failed.
    """
    runs = {each.run_id for each in dropped}
    moved, before = time.monotonic(), Counter[str]()
    while True:
        states = audit.states(environment)
        now = Counter(states.get(run, "waiting") for run in runs)
        if all(state in ENDED for state in now):
            return
        if now != before:
            moved, before = time.monotonic(), now
        if time.monotonic() - moved > NO_PROGRESS_SECONDS:
            return  # the audit says what is missing
        if set(now) <= {*ENDED, RunState.DEAD_LETTERED}:
            if effort.redrives == MOST_REDRIVES:
                return  # the audit says what is missing
            effort.redriven += len(json.loads(batch(copy, "redrive", "--all")))
            effort.redrives += 1
        elif time.monotonic() - effort.reconciled_at > effort.reconcile_seconds:
            done = json.loads(batch(copy, "reconcile", "--grace", str(effort.reconcile_seconds)))
            effort.put_back += len(done["sent"])
            effort.reconciled_at = time.monotonic()
        time.sleep(POLL_SECONDS)


def batch(copy: Copy, *words: str) -> str:
    """Run one of the operator's commands; return the JSON that it printed.

    Raises:
        CommandError: it fails.
    """
    return copy.run("batch", *words, "--environment", ENVIRONMENT, "--json")


def settle(environment: Environment, seconds: float = 240.0) -> None:
    """Wait until the queues are empty: duplicates are still being looked at."""
    deadline = time.monotonic() + seconds
    while any(audit.waiting(environment).values()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
