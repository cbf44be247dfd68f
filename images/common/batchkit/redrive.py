"""Takes up again what died of a run, when what stopped it is mended.

The order survives a crash between any two steps, for the same redrive again does the rest:

1. its dead claims are marked as waiting, with all their attempts before them;
2. the run goes back to the state in which it was, or to which the rest of its work has brought it;
3. a message for each claim is put on its stage's queue;
4. the run forgets its dead claims, unless a piece of it has died again meanwhile.

A run that is not dead-lettered but has dead work stays as it is: a stage that listens to the end of
runs may fail after the report. For it the second step falls away.

After the second step the next reconcile does the rest as well when the run is open: it finds claims
that wait. A claim may be anything by then: whoever put it among the dead letters may have been
stopped before the last step, and after a redrive that broke off it may be done. It is taken back
all the same, and its work done once more: the same bytes under the same keys. And whoever stalled
while putting it there may mark the run once more, after the redrive. Then the run tells of it
though all its work is done, and one more redrive takes it to its end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from batchkit.claims import Claims
from batchkit.dead_letters import read
from batchkit.errors import NotDeadError, UnknownStageError
from batchkit.events import S3Event
from batchkit.ledger import Ledger
from batchkit.place import Route, Sent, send
from batchkit.states import RunState
from batchkit.waiting import revive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from batchkit.place import Place


def redrive(
    place: Place, run_id: str, *, clock: Callable[[], float] = time.time
) -> tuple[Sent, ...]:
    """Put a run's dead work on its queues again.

    Raises:
        UnknownRunError: there is no such run.
        NotDeadError: nothing of it is dead; the message names its state.
        UnknownStageError: the catalogue has no stage that could do the work.
    """
    ledger = Ledger(place.dynamodb, place.table, clock)
    claims = Claims(place.dynamodb, place.table, clock=clock)
    while True:
        record = ledger.get(run_id)
        dead: set[str] = record.get("dead_claims", set())
        if not can_redrive(record):
            raise NotDeadError(f"The run {run_id} is not dead-lettered but {record['state']}.")
        routes = routes_of(place, record)
        items = {claim_id: revive(claims, claim_id) for claim_id in routes}
        # A piece that became a dead letter just now must be taken back with the others.
        stays = record["state"] != RunState.DEAD_LETTERED
        if stays or ledger.redriven(run_id, dead):
            break
    sent = tuple(
        send(place, routes[claim_id], _event(item), run_id)
        for claim_id, item in items.items()
        if item
    )
    ledger.put_back(run_id, dead, int(record.get("deaths", 0)))
    return sent


def can_redrive(record: Mapping[str, Any]) -> bool:
    """Whether work of a run is dead, be the run dead-lettered or not, or its redrive broke off."""
    return bool(record["state"] == RunState.DEAD_LETTERED or record.get("dead_claims"))


def routes_of(place: Place, record: Mapping[str, Any]) -> dict[str, Route]:
    """Return where each dead claim of a run is worked, in the order of their ids.

    Raises:
        UnknownStageError: the catalogue has no stage that could do the work.
    """
    return {claim_id: _route(place, claim_id) for claim_id in sorted(record.get("dead_claims", ()))}


def drain_dead_letters(
    place: Place, dead_letter_urls: Mapping[str, str], runs: Collection[str]
) -> int:
    """Remove from the dead-letter queues what stages put there of runs; return how many it was.

    Before their redrive, so that the message of a further failure stays. What EventBridge or SQS
    put there stays too: a redrive knows nothing of that work.

    Args:
        place: the environment.
        dead_letter_urls: the queue's URL for each stage.
        runs: which; other runs' messages stay.
    """
    removed = 0
    for stage, url in dead_letter_urls.items():
        for letter in read(place.sqs, stage, url):
            if letter.run_id in runs and letter.attempts is not None:
                place.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
                removed += 1
    return removed


def _route(place: Place, claim_id: str) -> Route:
    stage = claim_id.split("#", 2)[1]
    route = place.route(stage)
    if route is None:
        raise UnknownStageError(f"The catalogue has no stage '{stage}' that could work {claim_id}.")
    return route


def _event(claim: Mapping[str, Any]) -> S3Event:
    return S3Event(claim["bucket"], claim["key"], claim["version_id"])
