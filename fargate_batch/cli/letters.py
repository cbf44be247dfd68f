"""Dead letters, and putting what died back to work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from batchkit import dead_letters
from batchkit.errors import BadEventError, NotDeadError, UnknownStageError
from batchkit.events import from_message
from batchkit.place import Sent
from batchkit.records import record_key
from batchkit.redrive import can_redrive, drain_dead_letters, redrive, routes_of

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

    Events of the run that EventBridge or SQS put among them are sent again.

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
        routes_of(place, record)
        # Before the redrive, so that the letter of a further failure stays. Nothing is lost if this
        # ends in between: what a redrive goes by is the ledger.
        drain_dead_letters(place, environment.dead_letter_queues(), run)
    return (*redrive(place, run), *resend_undelivered(environment, run))


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


def resend_undelivered(environment: Environment, run: str | None = None) -> list[Sent]:
    """Send dead letters back to their stage's queue that no attempt of a stage put there.

    EventBridge puts an event there that it could not queue, and SQS one that was received too often
    and never dealt with. What a stage put there goes when its run is redriven: its claim is dead,
    and a message alone would change nothing.

    Args:
        environment: whose letters.
        run: of this run alone; of all when left out.
    """
    place, queues = environment.place(), environment.dead_letter_queues()
    sent = []
    for letter in letters_of(environment):
        route = place.route(letter.stage)
        if letter.attempts is not None or route is None or run not in {None, letter.run_id}:
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
    """Delete the dead letters with which nothing can be done; return them.

    Those that are no event, and those of a stage's attempts on what no known run wrote.
    """
    queues, sqs = environment.dead_letter_queues(), environment.client("sqs")
    letters = letters_of(environment)
    worked = {record_key(str(letter.run_id)) for letter in letters if letter.attempts is not None}
    records = read_items(environment, worked)
    strays = [
        letter
        for letter in letters
        if letter.run_id is None
        or (letter.attempts is not None and not records.get(record_key(letter.run_id)))
    ]
    for letter in strays:
        sqs.delete_message(QueueUrl=queues[letter.stage], ReceiptHandle=letter.receipt)
    return strays
