"""Dead letters, and putting what died back to work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batchkit import dead_letters
from batchkit.errors import BadEventError, NotDeadError, UnknownStageError
from batchkit.events import from_message
from batchkit.ledger import RunState
from batchkit.place import Sent
from batchkit.records import record_key
from batchkit.redrive import can_redrive, drain_dead_letters, redrive

from fargate_batch.cli.records import WAITING, find_run, read_items

if TYPE_CHECKING:
    from batchkit.dead_letters import DeadLetter

    from fargate_batch.environment import Environment


def letters_of(environment: Environment) -> list[DeadLetter]:
    """Every dead letter of the environment, stage after stage."""
    sqs, queues = environment.client("sqs"), environment.dead_letter_queues()
    # SQS is waited for a moment at the end of each queue, so all of them at once.
    with ThreadPoolExecutor(len(queues)) as pool:
        found = pool.map(lambda queue: list(dead_letters.read(sqs, *queue)), queues.items())
        return [letter for letters in found for letter in letters]


def redrive_run(environment: Environment, run: str) -> tuple[Sent, ...]:
    """Put what died of a run back on its queues, and take its dead letters away.

    Raises:
        UnknownRunError: there is no such run.
        NotDeadError: it is not dead-lettered.
        UnknownStageError: the catalogue has no stage (any more) that could do the work.
    """
    record = find_run(environment, run)
    if record["state"] == WAITING:
        raise NotDeadError(
            f"The run {run} is not dead-lettered: no task has begun it yet. "
            f"`batch reconcile --environment {environment.name}` puts it on its queue."
        )
    place = environment.place()
    if can_redrive(record):
        # First, so that the letter of a further failure stays. Nothing is lost if this ends in
        # between: what a redrive goes by is the ledger.
        drain_dead_letters(place, environment.dead_letter_queues(), run)
    return redrive(place, run)


def redrive_dead(environment: Environment) -> tuple[list[Sent], list[str]]:
    """Redrive every run that can be; this reads the whole ledger.

    Returns:
        What was put on its queue, and for each run that was left as it is, why.
    """
    sent: list[Sent] = []
    refused: list[str] = []
    dead = [record["run_id"] for record in environment.ledger().all() if can_redrive(record)]
    for run in dead:
        try:
            sent += redrive_run(environment, run)
        except NotDeadError:
            continue  # somebody else has redriven it since
        except UnknownStageError as error:
            # It keeps no other run from being worked.
            refused.append(f"{run}: {error}")
    return sent, refused


def resend_undelivered(environment: Environment) -> list[Sent]:
    """Send dead letters back to their stage's queue that no attempt of a stage put there.

    EventBridge puts an event there that it could not queue, and SQS one that was received too often
    and never dealt with. Their run is open or not begun; if it has ended, the stage finds nothing
    to do.
    """
    place, queues = environment.place(), environment.dead_letter_queues()
    letters = [letter for letter in letters_of(environment) if letter.run_id]
    records = read_items(environment, {record_key(str(letter.run_id)) for letter in letters})
    sent = []
    for letter in letters:
        record, route = records.get(record_key(str(letter.run_id)), {}), place.route(letter.stage)
        if record.get("state") == RunState.DEAD_LETTERED or route is None:
            continue
        try:
            event = from_message(letter.body)
        except BadEventError:
            continue
        place.sqs.send_message(QueueUrl=route.queue_url, MessageBody=letter.body)
        place.sqs.delete_message(QueueUrl=queues[letter.stage], ReceiptHandle=letter.receipt)
        sent.append(Sent(str(letter.run_id), letter.stage, event.key, event.version_id))
    return sent


def discard_strays(environment: Environment) -> list[DeadLetter]:
    """Delete the dead letters of no run, with which nothing can be done; return them."""
    queues, sqs = environment.dead_letter_queues(), environment.client("sqs")
    strays = [letter for letter in letters_of(environment) if letter.run_id is None]
    for letter in strays:
        sqs.delete_message(QueueUrl=queues[letter.stage], ReceiptHandle=letter.receipt)
    return strays
