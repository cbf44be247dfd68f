"""Dead letters, and putting what died back to work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchkit import dead_letters
from batchkit.claims import ClaimState, claim_key
from batchkit.errors import NotDeadError, UnknownStageError
from batchkit.place import Sent
from batchkit.records import record_key
from batchkit.redrive import can_redrive, drain_dead_letters, redrive, routes_of
from batchkit.states import RunState

from fargate_batch.cli.records import WAITING, find_run, read_items
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        NotDeadError: it is not dead-lettered, and no event of it is among the dead letters.
        UnknownStageError: the catalogue has no stage (any more) that could do the work.
    """
    record = find_run(environment, run)
    undelivered = resend_undelivered(environment, run)
    try:
        return (*_redrive(environment, record), *undelivered)
    except NotDeadError:
        if undelivered:
            return tuple(undelivered)
        raise


def redrive_all(environment: Environment) -> tuple[list[Sent], list[str]]:
    """Redrive every run that can be, and see to every letter; this reads the whole ledger.

    Events that never reached their queue are sent there, and letters go whose work is done.

    Returns:
        What was put on its queue, and for each run that was left as it is, why.
    """
    place = environment.place()
    sent: list[Sent] = []
    refused: list[str] = []
    able: list[str] = []
    for record in environment.ledger().all():
        run = str(record["run_id"])
        try:
            if can_redrive(record):
                routes_of(place, record)
                able.append(run)
        except UnknownStageError as error:
            # It keeps no other run from being worked.
            refused.append(f"{run}: {error}")
    if able:
        # Of all at once, for it takes seconds to read the queues.
        drain_dead_letters(place, environment.dead_letter_queues(), able)
    for run in able:
        with suppress(NotDeadError):  # somebody else has redriven it since
            sent += redrive(place, run)
    sent += resend_undelivered(environment)
    forget_finished(environment)
    return sent, refused


def _redrive(environment: Environment, record: dict[str, Any]) -> tuple[Sent, ...]:
    place, run = environment.place(), str(record["run_id"])
    if record["state"] == WAITING:
        raise NotDeadError(
            f"The run {run} is not dead-lettered: no task has begun it yet. "
            f"`batch reconcile --environment {environment.name}` puts it on its queue."
        )
    if can_redrive(record):
        # A stage that is gone is found out before anything is changed.
        routes_of(place, record)
        # Before the redrive, so that the letter of a further failure stays. Nothing is lost if this
        # ends in between: what a redrive goes by is the ledger.
        drain_dead_letters(place, environment.dead_letter_queues(), [run])
    return redrive(place, run)


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
        event, route = letter.event, place.route(letter.stage)
        undelivered = letter.attempts is None and run in {None, letter.run_id}
        if not undelivered or event is None or route is None:
            continue
        place.sqs.send_message(QueueUrl=route.queue_url, MessageBody=letter.body)
        place.sqs.delete_message(QueueUrl=queues[letter.stage], ReceiptHandle=letter.receipt)
        sent.append(Sent(str(letter.run_id), letter.stage, event.key, event.version_id))
    return sent


def forget_finished(environment: Environment) -> None:
    """Delete the letters of a stage's attempts on what is done by now.

    Whoever stalls while it puts its letter there may do so when a redrive has taken the claim from
    it. Then the work is done, and no redrive of its run will find anything to do.
    """
    claim_of = {
        letter: claim_key(letter.stage, letter.event)
        for letter in letters_of(environment)
        if letter.attempts is not None and letter.event
    }
    claims = read_items(environment, claim_of.values())
    done = {key for key, claim in claims.items() if claim["state"] == ClaimState.DONE}
    _delete(environment, (letter for letter, claim in claim_of.items() if claim in done))


def discard_strays(environment: Environment) -> list[DeadLetter]:
    """Delete the dead letters with which nothing can be done; return them.

    Those that are no event, and those of a stage's attempts on what no known run wrote.
    """
    letters = letters_of(environment)
    worked = {record_key(str(letter.run_id)) for letter in letters if letter.attempts is not None}
    records = read_items(environment, worked)
    strays = [
        letter
        for letter in letters
        if letter.run_id is None
        or (letter.attempts is not None and not records.get(record_key(letter.run_id)))
    ]
    _delete(environment, strays)
    return strays


def give_up(environment: Environment, run: str) -> list[DeadLetter]:
    """Delete the letters of attempts at a run that can do without what died; return them.

    The run forgets its dead work, whose claims stay as they are: nobody takes up what is dead.

    Raises:
        UnknownRunError: the ledger has no such run.
        UserError: the run is dead-lettered, and so cannot do without; or something of it died
            meanwhile.
    """
    # The letters before the record: a death is noted before its letter is put, so the record knows
    # of whatever these are about.
    letters = letters_of(environment)
    ledger = environment.ledger()
    record = ledger.get(run)
    if record["state"] == RunState.DEAD_LETTERED:
        raise UserError(
            f"The run {run} is dead-lettered: it has no end without what died. Mend the cause, "
            f"then `batch redrive {run} --environment {environment.name}`."
        )
    tried = [one for one in letters if one.run_id == run and one.attempts is not None]
    # The letters last: as long as one is there, the same command again does the rest.
    dead, deaths = record.get("dead_claims"), int(record.get("deaths", 0))
    if dead and not ledger.put_back(run, dead, deaths):
        raise UserError(
            f"Something of the run {run} died just now; nothing was deleted. Look again."
        )
    _delete(environment, tried)
    return tried


def _delete(environment: Environment, letters: Iterable[DeadLetter]) -> None:
    queues, sqs = environment.dead_letter_queues(), environment.client("sqs")
    for letter in letters:
        sqs.delete_message(QueueUrl=queues[letter.stage], ReceiptHandle=letter.receipt)
