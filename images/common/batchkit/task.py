"""One event, worked under a claim: at most one owner at a time, and never again once it is done."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchkit import logs
from batchkit.claims import Claim, Finished, Taken
from batchkit.errors import LostClaimError, Rejected, UnknownRunError
from batchkit.heartbeat import Heartbeat
from batchkit.items import timestamp
from batchkit.runs import RunKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchkit.events import S3Event
    from batchkit.stage import Context, Handler

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worked:
    """The event is dealt with; there is nothing left to do about it."""


@dataclass(frozen=True)
class Busy:
    """Another owner has it; look again when its lease ends."""

    until: float
    """Seconds since the epoch."""


class CurrentWork:
    """What this process has in hand, so that a signal can give it back."""

    def __init__(self) -> None:
        self._release: Callable[[str], None] | None = None

    def hold(self, release: Callable[[str], None]) -> None:
        """Remember how to give back what was just taken."""
        self._release = release

    def done(self) -> None:
        """Forget it."""
        self._release = None

    def give_back(self, reason: str) -> None:
        """Give back what is in hand, if anything is."""
        release, self._release = self._release, None
        if release is not None:
            release(reason)


def perform(
    event: S3Event,
    context: Context,
    handler: Handler,
    *,
    current: CurrentWork | None = None,
    beats: tuple[Callable[[], None], ...] = (),
) -> Worked | Busy:
    """Work one event.

    Args:
        event: the object.
        context: the task's; the event's run is added to it.
        handler: the stage's.
        current: is told how to give the claim back while it is held.
        beats: further things to keep alive meanwhile, e.g. the message's invisibility.

    Raises:
        Exception: whatever the handler raised, save `Rejected`; the claim is given up.
    """
    context = context.for_event(event)
    with logs.about(context.run_id):
        claim = context.claims.acquire(context.task.stage, event, context.run_id)
        if isinstance(claim, Finished):
            _log.info("Nothing to do: %s is done already.", event)
            return Worked()
        if isinstance(claim, Taken):
            _log.info("Nothing to do now: %s is worked on by %s.", event, claim.owner)
            return Busy(claim.lease_until)
        _log.info("Working on %s.", event, extra={"attempt": claim.attempt})
        current = current or CurrentWork()
        current.hold(lambda reason: context.claims.fail(claim, reason))
        try:
            return _under_claim(claim, event, context, handler, beats)
        finally:
            current.done()


def _under_claim(
    claim: Claim,
    event: S3Event,
    context: Context,
    handler: Handler,
    beats: tuple[Callable[[], None], ...],
) -> Worked:
    interval = context.claims.lease_seconds / 4
    try:
        with Heartbeat(lambda: context.claims.renew(claim), *beats, interval_seconds=interval):
            try:
                handler(event, context)
            except Rejected as rejected:
                _reject(event, context, rejected.reason)
        context.claims.complete(claim)
    except LostClaimError as error:
        # The new owner repeats the work and writes the same bytes under the same keys.
        _log.warning("Left to another owner: %s", error)
        return Worked()
    except Exception as error:
        _give_up(claim, context, f"{type(error).__name__}: {error}")
        raise
    _log.info("Done with %s.", event)
    return Worked()


def _give_up(claim: Claim, context: Context, reason: str) -> None:
    try:
        context.claims.fail(claim, reason)
    except Exception:  # noqa: BLE001 - the handler's own error matters more
        _log.warning("The claim could not be given up; its lease will end.", exc_info=True)


def _reject(event: S3Event, context: Context, reason: str) -> None:
    """Close the run: the reason goes to where its user looks and to where its operator looks."""
    if event.bucket != context.task.output_bucket:
        context.ledger.begin(context.run_id, event)
    try:
        moved = context.ledger.reject(context.run_id, reason)
    except UnknownRunError:
        _log.error("Rejected, and the ledger has no such run: %s", reason)
        return
    if not moved:
        _log.warning("Not rejected, for it has its report already: %s", reason)
        return
    context.storage.put_json(
        RunKeys(context.run_id).rejected,
        {
            "run_id": context.run_id,
            "stage": context.task.stage,
            "input": {"bucket": event.bucket, "key": event.key, "version_id": event.version_id},
            "reason": reason,
            "rejected_at": timestamp(),
        },
    )
    _log.error("Rejected: %s", reason)
