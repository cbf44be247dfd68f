"""Single incidents, one after the other: what operators fear, done on purpose."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchkit.claims import LEASE_SECONDS
from batchkit.events import S3Event
from batchkit.states import RunState

from chaos import audit
from chaos.drill import batch, settle
from chaos.scene import Incident, until
from fargate_batch.names import Output, StageOutput
from local.faults.client import FaultsError
from local.faults.settings import CallFaults, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.scene import Scene


INGESTION: Final = "data-ingestion"
RISK: Final = "risk-calculation"
REPORT: Final = "report-generation"
_GRACE_SECONDS: Final = 15
_HANDLER: Final = Path("images", REPORT, "report_generation", "__init__.py")
_BUG: Final = """

def handle(event, context):
    raise RuntimeError("a bug that was deployed")
"""
# Every read or write of a task waits, so that work is in hand long enough to be hit.
SLOW: Final = Faults(calls={"s3": CallFaults(slow=1.0, slow_seconds=8.0)})


def a_worker_is_stopped_with_a_message_in_hand(scene: Scene, incident: Incident) -> None:
    """ECS stops it (SIGTERM): it finishes the message or gives it back, and counts no attempt."""
    with scene.faults.during(SLOW):
        (dropped,) = scene.drop("stopped")
        scene.claim_in_hand(dropped, RISK)
        environment = scene.environment
        for task in scene.workers(RISK):
            environment.client("ecs").stop_task(
                cluster=environment[Output.CLUSTER_NAME], task=task, reason="an incident"
            )
    scene.end(incident, [dropped])
    attempts = [claim["attempts"] for claim in scene.claims(dropped, RISK)]
    incident.expect(f"attempts were {attempts}, not 1 each", holds=set(attempts) == {1})


def a_worker_is_killed_with_a_message_in_hand(scene: Scene, incident: Incident) -> None:
    """SIGKILL: nobody gives anything back; lease and invisibility end, and another goes on."""
    with scene.faults.during(SLOW):
        (dropped,) = scene.drop("killed")
        scene.claim_in_hand(dropped, RISK)
        for task in scene.workers(RISK):
            scene.faults.kill_task(task)
    scene.end(incident, [dropped])
    attempts = [claim["attempts"] for claim in scene.claims(dropped, RISK)]
    incident.expect(f"attempts were {attempts}, none above 1", holds=max(attempts) > 1)


def a_lease_ends_under_a_live_but_stalled_owner(scene: Scene, incident: Incident) -> None:
    """It is frozen for longer than its lease; another takes over; then it wakes and may not win."""
    with scene.faults.during(SLOW):
        (dropped,) = scene.drop("stalled")
        stalled = scene.claim_in_hand(dropped, RISK)
        frozen = scene.processes(RISK)
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
    try:
        environment = scene.environment
        environment.client("ecs").update_service(
            cluster=environment[Output.CLUSTER_NAME],
            service=environment.of(RISK, StageOutput.SERVICE_NAME),
            desiredCount=len(frozen) + 1,
        )
        time.sleep(LEASE_SECONDS)
        taken = until(
            lambda: next(
                (
                    claim
                    for claim in scene.claims(dropped, RISK)
                    if claim["id"] == stalled["id"] and claim["owner"] != stalled["owner"]
                ),
                None,
            )
        )
    finally:
        resumed = [process for process in frozen if _goes_on(process)]
    scene.end(incident, [dropped])
    (last,) = [claim for claim in scene.claims(dropped, RISK) if claim["id"] == stalled["id"]]
    incident.expect("the stalled owner completed it", holds=last["owner"] == taken["owner"])
    incident.expect("no stalled worker was left to go on", holds=bool(resumed))


def _goes_on(process: int) -> bool:
    """Let a process go on, unless ECS has replaced its task meanwhile."""
    try:
        os.kill(process, signal.SIGCONT)
    except ProcessLookupError:
        return False
    return True


def two_reconciles_run_at_once(scene: Scene, incident: Incident) -> None:
    """RunTask answers 200 and places nothing; what is lost is put back once, however many look."""
    with scene.faults.during(Faults(run_task_failures=1.0)):
        dropped = scene.drop("lost", 8)
        # Older than the grace, within which nothing is put back a second time.
        time.sleep(_GRACE_SECONDS + 2)
        grace = str(_GRACE_SECONDS)
        with ThreadPoolExecutor(3) as pool:
            answers = list(
                pool.map(lambda _: batch(scene.copy, "reconcile", "--grace", grace), range(3))
            )
    sent = Counter(piece["key"] for answer in answers for piece in json.loads(answer)["sent"])
    wanted = {each.file.key for each in dropped}
    found = {key: count for key, count in sent.items() if key in wanted}
    incident.expect(
        f"put back: {found}", holds=found.keys() == wanted and set(found.values()) == {1}
    )
    scene.end(incident, dropped)


def a_bug_is_deployed_and_its_dead_letters_are_redriven(scene: Scene, incident: Incident) -> None:
    """Three attempts and a dead letter; redriven before the bug is mended, again; then it ends."""
    code = scene.copy.folder / _HANDLER
    right = code.read_text()
    code.write_text(right + _BUG)
    try:
        scene.copy.launch()
        (dropped,) = scene.drop("bug")

        def is_dead() -> bool:
            return audit.states(scene.environment).get(dropped.run_id) == RunState.DEAD_LETTERED

        until(is_dead)
        told = json.loads(batch(scene.copy, "why", dropped.run_id))
        incident.expect("`batch why` does not name the bug", holds="a bug" in json.dumps(told))
        batch(scene.copy, "redrive", dropped.run_id)
        until(lambda: not is_dead())
        until(is_dead)
    finally:
        # The incidents after this one need the right code, however it ended.
        code.write_text(right)
        scene.copy.launch()
    batch(scene.copy, "redrive", dropped.run_id)
    scene.end(incident, [dropped])


def a_message_is_no_event(scene: Scene, incident: Incident) -> None:
    """It goes to the dead letters at once, in words, and an operator discards it."""
    environment = scene.environment
    url = environment.of(RISK, StageOutput.QUEUE_URL)
    environment.client("sqs").send_message(QueueUrl=url, MessageBody="no JSON at all")
    letters = until(lambda: json.loads(batch(scene.copy, "dead-letters")))
    incident.expect(f"the dead letter says {letters}", holds="no JSON" in json.dumps(letters))
    batch(scene.copy, "dead-letters", "--discard")
    left = until(lambda: not json.loads(batch(scene.copy, "dead-letters")))
    incident.expect("it is still there after it was discarded", holds=left)


def an_uploaded_file_is_deleted_before_it_is_read(scene: Scene, incident: Incident) -> None:
    """The event names a version that is gone: the run is rejected, in words."""
    environment = scene.environment
    bucket = environment[Output.INPUT_BUCKET_NAME]
    with scene.faults.during(Faults(run_task_failures=1.0)):
        (dropped,) = scene.drop("gone")
        s3, key = environment.client("s3"), dropped.file.key
        version = s3.head_object(Bucket=bucket, Key=key)["VersionId"]
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
        # The event is still on its way, as one that is delivered late.
        environment.client("sqs").send_message(
            QueueUrl=environment.of(INGESTION, StageOutput.QUEUE_URL),
            MessageBody=S3Event(bucket, key, version).to_message(),
        )
    until(
        lambda: (
            audit.states(environment).get(dropped.run_id) in {RunState.REJECTED, RunState.REPORTED}
        )
    )
    record = environment.ledger().get(dropped.run_id)
    incident.expect(
        f"the run is {record['state']}: {record.get('reason')}",
        holds=record["state"] == RunState.REJECTED and "deleted" in str(record.get("reason")),
    )
    settle(environment)


ALL: Final[tuple[Callable[[Scene, Incident], None], ...]] = (
    a_worker_is_stopped_with_a_message_in_hand,
    a_worker_is_killed_with_a_message_in_hand,
    a_lease_ends_under_a_live_but_stalled_owner,
    two_reconciles_run_at_once,
    a_bug_is_deployed_and_its_dead_letters_are_redriven,
    a_message_is_no_event,
    an_uploaded_file_is_deleted_before_it_is_read,
)


def play_all(scene: Scene, tell: Callable[[Incident], None]) -> list[Incident]:
    """Let all of them happen, and tell of each when it is over."""
    found = []
    for happening in ALL:
        found.append(_play(scene, happening))
        tell(found[-1])
    return found


def _play(scene: Scene, happening: Callable[[Scene, Incident], None]) -> Incident:
    incident = Incident(happening.__name__.replace("_", " "))
    began = time.monotonic()
    try:
        happening(scene, incident)
    except (TimeoutError, FaultsError) as error:
        incident.wrong.append(str(error))
    incident.seconds = time.monotonic() - began
    return incident
