"""One event, worked under a claim: at most one owner at a time, and never again once it is done.

What becomes of an attempt that fails: its claim is given up, and the event comes back, for its
message does, or ECS tells of the failed task. After the third, or when repeating would change
nothing, the work becomes a dead letter:

1. the run is marked `dead-lettered`, so that an operator sees it and can redrive it; one that has
   its report stays `reported` and notes the piece;
2. the message is put on the dead-letter queue, with its reason;
3. the claim is marked `dead`, so that nobody takes it again;
4. the event's own message is deleted.

All this happens under the claim. Whoever crashes between two steps leaves a claim whose lease ends
and whose attempts are used up; whoever finds it does all the steps again. The first and the third
change nothing the second time; the second may leave one more message of the same run, which goes
with the others when the run is redriven. If no message returns, the run tells of the piece, and a
redrive takes its claims back in whatever state they are; a crash before the first step leaves an
open run, which the next reconcile finds. Of a rejected run nothing more is wanted: what fails for
good then is done with.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchkit import logs
from batchkit.claims import MAX_ATTEMPTS, Buried, Claim, Finished, Spent, Taken
from batchkit.errors import (
    BadEventError,
    CrashError,
    LostClaimError,
    ObjectGoneError,
    Rejected,
    UnknownRunError,
)
from batchkit.heartbeat import Heartbeat
from batchkit.runs import RunKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchkit.events import S3Event
    from batchkit.stage import Context, Handler

HOPELESS: Final = (BadEventError, UnknownRunError)
"""After these a further attempt would end the same way."""

_LEAVING: Final = (SystemExit, KeyboardInterrupt, GeneratorExit)
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
        self._releases: list[Callable[[str], None]] = []

    @contextmanager
    def holding(self, release: Callable[[str], None]) -> Iterator[None]:
        """While entered, remember how to give back what was just taken."""
        self._releases.append(release)
        try:
            yield
        finally:
            self._releases.remove(release)

    def give_back(self, reason: str) -> None:
        """Give back what is in hand, the last taken first; what cannot be is left to time out."""
        for release in reversed(self._releases):
            try:
                release(reason)
            except Exception:  # noqa: BLE001 - the others must be given back all the same
                _log.warning("Not given back; it comes back when its time ends.", exc_info=True)


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
        Exception: whatever the handler raised, save `Rejected`; the claim is given up, or after the
            last attempt the work is among the dead letters.
    """
    context = context.for_event(event)
    with logs.about(context.run_id):
        claim = context.claims.acquire(context.task.stage, event, context.run_id)
        if isinstance(claim, Finished | Buried):
            what = "done" if isinstance(claim, Finished) else "among the dead letters"
            _log.info("Nothing to do: %s is %s already.", event, what)
            return Worked()
        if isinstance(claim, Taken):
            _log.info("Nothing to do now: %s is worked on by %s.", event, claim.owner)
            return Busy(claim.lease_until)
        work = _Work(event, context, claim.claim if isinstance(claim, Spent) else claim)
        interval = context.claims.lease_seconds / 4
        try:
            with Heartbeat(work.renew, *beats, interval_seconds=interval):
                if isinstance(claim, Spent):
                    work.bury(claim.reason)
                else:
                    work.attempt(handler, current or CurrentWork())
        except LostClaimError as error:
            # The new owner repeats the work and writes the same bytes under the same keys.
            _log.warning("Left to another owner: %s", error)
        return Worked()


@dataclass(frozen=True)
class _Work:
    """An event whose claim this process holds."""

    event: S3Event
    context: Context
    claim: Claim

    def release(self, reason: str) -> None:
        self.context.claims.release(self.claim, reason)

    def renew(self) -> None:
        self.context.claims.renew(self.claim)

    def attempt(self, handler: Handler, current: CurrentWork) -> None:
        """Let the handler do it, and record what came of it.

        Until then it can be given back. What has failed cannot: that would undo the attempt.

        Raises:
            LostClaimError: somebody else has taken it over.
            Exception: whatever the handler raised, save `Rejected`.
        """
        _log.info("Working on %s.", self.event, extra={"attempt": self.claim.attempt})
        began = time.monotonic()
        try:
            with current.holding(self.release):
                self._handle(handler)
                self.context.claims.complete(self.claim)
        except LostClaimError:
            raise
        except Exception as error:
            self._give_up(error)
            raise
        finally:
            self.context.metrics.worked(time.monotonic() - began)
        _log.info("Done with %s.", self.event)

    def bury(self, reason: str, *, foreign: bool = False) -> None:
        """Put the work among the dead letters; the module says in which order and why.

        Args:
            reason: why it cannot be worked.
            foreign: the object lies among a run's but is none of it, so the run goes on.

        Raises:
            LostClaimError: somebody else has taken it over.
        """
        context, claim, run = self.context, self.claim, self.context.run_id
        if not self._mark_run(reason, foreign=foreign):
            # Nothing is lost by it, so nobody need be told to do anything.
            _log.warning("Given up, for the run is rejected: %s", reason)
            context.claims.complete(claim)
            return
        context.dead_letters.put(self.event.to_message(), reason, attempts=claim.attempt, run=run)
        context.claims.bury(claim, reason)
        _log.error("Dead-lettered after %d attempts: %s", claim.attempt, reason)

    def _mark_run(self, reason: str, *, foreign: bool) -> bool:
        """Let the run tell of it; return False when the run is rejected and misses nothing.

        A reported run stays so, and notes the piece all the same: a stage that listens to the end
        of runs may fail after it.
        """
        context, run = self.context, self.context.run_id
        if self._is_input:
            context.ledger.begin(run, self.event)
        try:
            if not foreign and context.ledger.dead_letter(run, self.claim.id, reason):
                return True
            return context.ledger.note_dead(run, self.claim.id)
        except UnknownRunError:
            return True  # An object that no run wrote: its message is all that tells of it.

    def _handle(self, handler: Handler) -> None:
        try:
            handler(self.event, self.context)
        except Rejected as rejected:
            self._reject(rejected.reason)
        except ObjectGoneError as error:
            self._reject(f"{error} It was deleted before it was used. Upload the input again.")
        except (Exception, *_LEAVING):
            raise
        except BaseException as error:
            # It is a failed attempt like others, and must not end a worker.
            raise CrashError(f"{type(error).__name__}: {error}") from error

    def _give_up(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        try:
            if self.claim.attempt < MAX_ATTEMPTS and not isinstance(error, HOPELESS):
                self.context.claims.fail(self.claim, reason)
                _log.warning("Attempt %d of %d failed.", self.claim.attempt, MAX_ATTEMPTS)
            else:
                self.renew()
                foreign = isinstance(error, BadEventError) and not self._is_input
                self.bury(reason, foreign=foreign)
        except Exception:  # noqa: BLE001 - the handler's own error matters more
            _log.warning("The claim could not be given up; its lease will end.", exc_info=True)

    def _reject(self, reason: str) -> None:
        """Close the run: the reason goes to where its user looks and to where its operator does."""
        self.renew()  # A former owner's opinion does not count.
        context, run = self.context, self.context.run_id
        if self._is_input:
            context.ledger.begin(run, self.event)
        if not context.ledger.reject(run, reason, context.task.stage):
            _log.warning("Not rejected, for it has its report already: %s", reason)
            return
        # From the record, where the first reason stays: so it may be written any number of times.
        record = context.ledger.get(run)
        context.storage.put_json(
            RunKeys(run).rejected,
            {
                "run_id": run,
                "stage": record["rejected_by"],
                "input": {
                    "bucket": record["input_bucket"],
                    "key": record["input_key"],
                    "version_id": record["input_version"],
                },
                "reason": record["reason"],
                "rejected_at": record["rejected_at"],
            },
        )
        _log.error("Rejected: %s", reason)

    @property
    def _is_input(self) -> bool:
        return self.event.bucket != self.context.task.output_bucket
