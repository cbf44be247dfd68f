"""What became of every file, as S3, the ledger and the queues say."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchkit.claims import ClaimState
from batchkit.items import packed, unpacked
from batchkit.records import record_key
from batchkit.runs import RUNS_PREFIX, RunKeys, run_of_key
from batchkit.states import RunState

from fargate_batch.names import Output, StageOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from chaos.files import File
    from fargate_batch.environment import Environment

CLAIM_PREFIX: Final = "claim#"
RECORD_PREFIX: Final = record_key("")
_SUMMARY: Final = "summary.json"
# What a report says of its own run, and not of its positions.
_OWN: Final = ("run_id", "input", "timings")
# These start the next stage, so a second one would be work done twice.
_WRITTEN_ONCE: Final = ("/shards/", "/risk/")


@dataclass(frozen=True)
class Dropped:
    """A file in the input bucket."""

    file: File
    run_id: str


@dataclass
class Findings:
    """What was found wrong, by what it is, and what was counted."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    """Pieces of these files' work by the attempts that they took."""
    rewritten_reports: int = 0
    """Reports that were written again, with the same figures, after an interruption."""

    def add(self, kind: str, what: str) -> None:
        """Note something that is wrong."""
        self.wrong.setdefault(kind, []).append(what)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and nothing done twice."""
        return not self.wrong


@dataclass(frozen=True)
class World:
    """Everything that there is to see, read once."""

    records: Mapping[str, dict[str, Any]]
    claims: tuple[dict[str, Any], ...]
    versions: Mapping[str, Mapping[str, int]]
    """By run: how many versions each object of it has."""


def look(environment: Environment) -> World:
    """Read the ledger and the output bucket."""
    either = "begins_with(id, :claim) OR begins_with(id, :run)"
    items = list(_scan(environment, either, {":claim": CLAIM_PREFIX, ":run": RECORD_PREFIX}))
    versions: defaultdict[str, Counter[str]] = defaultdict(Counter)
    pages = (
        environment.client("s3")
        .get_paginator("list_object_versions")
        .paginate(Bucket=environment[Output.OUTPUT_BUCKET_NAME], Prefix=RUNS_PREFIX)
    )
    for page in pages:
        for version in page.get("Versions", []):
            run = run_of_key(version["Key"])
            if run is not None:
                versions[run][version["Key"]] += 1
    return World(
        records={item["run_id"]: item for item in items if item["id"].startswith(RECORD_PREFIX)},
        claims=tuple(item for item in items if item["id"].startswith(CLAIM_PREFIX)),
        versions=versions,
    )


def inspect(
    environment: Environment, dropped: Iterable[Dropped], calm: Mapping[int, Mapping[str, Any]]
) -> Findings:
    """Hold every file of a launched environment against what must have become of it."""
    return judge(
        look(environment), dropped, calm, partial(figures, environment), waiting(environment)
    )


def judge(
    world: World,
    dropped: Iterable[Dropped],
    calm: Mapping[int, Mapping[str, Any]],
    figures_of: Callable[[str], Mapping[str, Any]],
    queued: Mapping[str, int],
) -> Findings:
    """Hold every file against what must have become of it.

    Claims and messages must all be worked off, whichever file they are of.

    Args:
        world: ledger and output bucket.
        dropped: the files.
        calm: by content, the figures of a run without faults.
        figures_of: a run's figures.
        queued: how many messages each queue holds.
    """
    findings = Findings()
    runs = set()
    for each in dropped:
        runs.add(each.run_id)
        _judge_file(each, world, calm, figures_of, findings)
    for claim in world.claims:
        if claim["run_id"] in runs:
            findings.attempts[int(claim.get("attempts", 0))] += 1
        if claim["state"] != ClaimState.DONE:
            findings.add("claim left open", f"{claim['id']} is {claim['state']}")
    for queue, messages in queued.items():
        if messages:
            findings.add("message left in a queue", f"{queue}: {messages}")
    return findings


def _judge_file(
    dropped: Dropped,
    world: World,
    calm: Mapping[int, Mapping[str, Any]],
    figures_of: Callable[[str], Mapping[str, Any]],
    findings: Findings,
) -> None:
    run, content = dropped.run_id, dropped.file.content
    record = world.records.get(run)
    state = str(record["state"]) if record else "no record"
    findings.states[state] += 1
    objects = world.versions.get(run, {})
    for key, count in objects.items():
        if count > 1 and any(part in key for part in _WRITTEN_ONCE):
            findings.add("done twice", f"{key} has {count} versions")
    expected = RunState.REJECTED if content is None else RunState.REPORTED
    if state != expected:
        findings.add("lost", f"{dropped.file.key} ({run}) is {state}, not {expected}")
    elif content is None:
        _judge_rejected(run, objects, findings)
    else:
        _judge_reported(run, objects, findings)
        if figures_of(run) != calm[content]:
            findings.add("other figures than the calm run's", run)


def _judge_rejected(run: str, objects: Mapping[str, int], findings: Findings) -> None:
    keys = RunKeys(run)
    if keys.rejected not in objects:
        findings.add("rejected without its reason", run)
    if keys.report(_SUMMARY) in objects:
        findings.add("reported and rejected", run)


def _judge_reported(run: str, objects: Mapping[str, int], findings: Findings) -> None:
    keys = RunKeys(run)
    if keys.rejected in objects:
        findings.add("reported and rejected", run)
    if keys.complete not in objects:
        findings.add("reported without its calculation's end", run)
    findings.rewritten_reports += objects.get(keys.report(_SUMMARY), 0) > 1


def figures(environment: Environment, run: str) -> dict[str, Any]:
    """Return what a run's report says of its positions."""
    answer = environment.client("s3").get_object(
        Bucket=environment[Output.OUTPUT_BUCKET_NAME], Key=RunKeys(run).report(_SUMMARY)
    )
    summary: dict[str, Any] = json.loads(answer["Body"].read())
    return {name: value for name, value in summary.items() if name not in _OWN}


def claims_of(environment: Environment, run: str) -> list[dict[str, Any]]:
    """Return the claims on a run's objects."""
    return [
        item
        for item in _scan(environment, "run_id = :run", {":run": run})
        if item["id"].startswith(CLAIM_PREFIX)
    ]


def waiting(environment: Environment) -> dict[str, int]:
    """Return how many messages each queue and dead-letter queue holds, in flight or not."""
    sqs = environment.client("sqs")
    counts = {}
    for stage in environment.settings.stages:
        for output in (StageOutput.QUEUE_URL, StageOutput.DEAD_LETTER_QUEUE_URL):
            url = environment.of(stage.name, output)
            attributes = sqs.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
            counts[url.rsplit("/", 1)[-1]] = sum(int(value) for value in attributes.values())
    return counts


def states(environment: Environment) -> dict[str, str]:
    """Return the state of every run that has a record."""
    return {record["run_id"]: str(record["state"]) for record in environment.ledger().all()}


def _scan(
    environment: Environment, condition: str, values: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    pages = (
        environment.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=environment[Output.LEDGER_TABLE_NAME],
            FilterExpression=condition,
            ExpressionAttributeValues=packed(values),
        )
    )
    for page in pages:
        yield from map(unpacked, page["Items"])
