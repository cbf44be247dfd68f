"""Finds what was dropped on the way, and puts it on its queue.

EventBridge may take RunTask's answer for a success that started nothing, an event may come never,
a queue may be purged. So this asks the other way round: which objects are there whose work is not
done, and nobody is at it? That are input objects without a run, and objects of runs that are open.

Calls when nothing is to do, for N input versions of which n are younger than the lookback:
ListObjectVersions once for each thousand of N, BatchGetItem once for each hundred of n. An open run
adds one ListObjectVersions, and BatchGetItem once for each hundred of its objects; a piece that is
sent adds one UpdateItem and one SendMessage.

A claim is marked as waiting before its message is sent, and only if it is as it was read: of two
reconciles at once one sends. After a crash between the two the next one finds the mark, and that
the work is still not done. A piece that was sent is sent again when it waits for longer than the
grace, doubled with every time, so that a queue which is slow to drain is not flooded.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from batchkit.batches import get_items
from batchkit.claims import Claims, ClaimState, claim_key
from batchkit.place import Sent, send
from batchkit.records import record_key
from batchkit.runs import RunKeys, run_id
from batchkit.states import TERMINAL_STATES
from batchkit.versions import list_versions
from batchkit.waiting import nudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from batchkit.events import S3Event
    from batchkit.place import Place, Route

GRACE_SECONDS: Final = 600
_SECONDS_PER_HOUR: Final = 3600
_SETTLED: Final = frozenset({ClaimState.DONE, ClaimState.DEAD})


@dataclass(frozen=True)
class Reconciled:
    """What a reconcile found and did."""

    inputs: int
    """Versions of input objects that it looked at."""
    open_runs: int
    """Runs that have no end yet, those among them that have not even begun."""
    overdue_runs: int
    """Of these the ones that are open for longer than expected."""
    oldest_open_seconds: float
    """For how long the oldest of them is open; 0 when there is none."""
    sent: tuple[Sent, ...]


@dataclass(frozen=True)
class _Found:
    """A version of an object."""

    event: S3Event
    run_id: str
    written_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class _Piece:
    """An object that a stage has to work."""

    route: Route
    found: _Found

    @property
    def claim_id(self) -> str:
        return claim_key(self.route.stage, self.found.event)


def reconcile(
    place: Place,
    *,
    lookback_hours: float | None,
    expected_minutes: float,
    grace_seconds: float = GRACE_SECONDS,
    clock: Callable[[], float] = time.time,
) -> Reconciled:
    """Put on its queue what should have been worked and is not.

    Args:
        place: the environment.
        lookback_hours: older input is left alone; None looks at all of it.
        expected_minutes: a run that is open for longer is overdue.
        grace_seconds: what is younger, or was touched since, is on its way.
        clock: seconds since the epoch.

    Raises:
        ClientError: AWS refused something.
    """
    now = clock()
    since = None if lookback_hours is None else now - lookback_hours * _SECONDS_PER_HOUR
    inputs = list(_inputs(place, since))
    records = _records(place, inputs)
    open_inputs = [found for found in inputs if _is_open(records.get(found.run_id))]
    pieces = list(_pieces(place, open_inputs, records))
    items = get_items(place.dynamodb, place.table, [piece.claim_id for piece in pieces])
    claimed = [(piece, items.get(piece.claim_id, {})) for piece in pieces]
    claims = Claims(place.dynamodb, place.table, clock=clock)
    sent = tuple(
        send(place, piece.route, piece.found.event, piece.found.run_id)
        for piece, claim in claimed
        if _is_due(piece, claim, now, grace_seconds)
        and nudge(claims, piece.route.stage, piece.found.event, piece.found.run_id, claim)
    )
    settled = {piece.found.run_id for piece, claim in claimed if claim.get("state") in _SETTLED}
    ages = [
        now - _opened_at(found, records)
        for found in open_inputs
        # What was worked without a run, a folder's placeholder for one, is none.
        if found.run_id in records or found.run_id not in settled
    ]
    return Reconciled(
        inputs=len(inputs),
        open_runs=len(ages),
        overdue_runs=sum(age > expected_minutes * 60 for age in ages),
        oldest_open_seconds=max(ages, default=0.0),
        sent=sent,
    )


def _inputs(place: Place, since: float | None) -> Iterator[_Found]:
    """Yield every version of every object that starts a run, and is young enough."""
    routes = [route for route in place.routes if route.bucket == "input"]
    for prefix in _outermost({route.prefix for route in routes}):
        for version in list_versions(place.s3, place.input_bucket, prefix):
            event, written_at = version.event, version.written_at.timestamp()
            heard = any(route.matches(event.key) for route in routes)
            if heard and (since is None or written_at >= since):
                yield _Found(event, run_id(event.bucket, event.key, event.version_id), written_at)


def _pieces(
    place: Place, open_inputs: Iterable[_Found], records: Mapping[str, Any]
) -> Iterator[_Piece]:
    routes = defaultdict(list)
    for route in place.routes:
        routes[route.bucket].append(route)
    for found in open_inputs:
        yield from (
            _Piece(route, found) for route in routes["input"] if route.matches(found.event.key)
        )
        if found.run_id not in records:
            continue
        prefix = RunKeys(found.run_id).prefix
        for version in list_versions(place.s3, place.output_bucket, prefix):
            # A run's objects are written once; of one that was written again the last one counts.
            if version.is_latest:
                own = _Found(version.event, found.run_id, version.written_at.timestamp())
                yield from (
                    _Piece(route, own) for route in routes["output"] if route.matches(own.event.key)
                )


def _records(place: Place, inputs: Iterable[_Found]) -> dict[str, dict[str, Any]]:
    """Return the records of those runs that have begun, by run."""
    keys = {record_key(found.run_id) for found in inputs}
    found = get_items(place.dynamodb, place.table, keys)
    return {str(record["run_id"]): record for record in found.values()}


def _is_open(record: Mapping[str, Any] | None) -> bool:
    return record is None or record["state"] not in TERMINAL_STATES


def _is_due(piece: _Piece, claim: Mapping[str, Any], now: float, grace: float) -> bool:
    """Whether nobody works on it and nobody will, as far as can be told."""
    if not claim:
        return piece.found.written_at <= now - grace
    if claim["state"] in _SETTLED:
        return False
    if claim["state"] == ClaimState.CLAIMED and claim["lease_until"] > now:
        return False
    touched = datetime.fromisoformat(claim["updated_at"]).timestamp()
    return touched <= now - grace * float(2 ** int(claim.get("nudges", 0)))


def _opened_at(found: _Found, records: Mapping[str, Mapping[str, Any]]) -> float:
    record = records.get(found.run_id)
    if record is None:
        return found.written_at
    return datetime.fromisoformat(record["created_at"]).timestamp()


def _outermost(prefixes: set[str]) -> list[str]:
    """Return those prefixes that no other one covers, so that nothing is listed twice."""
    return sorted(
        prefix
        for prefix in prefixes
        if not any(prefix != other and prefix.startswith(other) for other in prefixes)
    )
