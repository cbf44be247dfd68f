"""The worker of a stage's queue: one message at a time, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchkit import events, protection
from batchkit.clients import LONG_POLL_SECONDS
from batchkit.errors import BadEventError
from batchkit.health import heartbeat_file
from batchkit.task import Busy, CurrentWork, perform

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from batchkit.events import S3Event
    from batchkit.stage import Context, Handler

VISIBILITY_SECONDS: Final = 60
"""How long a message stays hidden after each heartbeat; a dead worker's comes back after it."""

MEETINGS: Final = 10
"""So often a message may find its work in other hands; then it is a duplicate and goes."""
RETRY_SECONDS: Final = 5
_LAST_RETRY_SECONDS: Final = 60
_MAX_PAUSE_SECONDS: Final = 30.0

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """Works a queue's messages with a stage's handler."""

    context: Context
    handler: Handler
    client: SQSClient
    queue_url: str
    current: CurrentWork = field(default_factory=CurrentWork)
    stopping: threading.Event = field(default_factory=threading.Event)
    long_poll_seconds: int = LONG_POLL_SECONDS
    retry_seconds: int = RETRY_SECONDS
    """How long the message of a failed attempt stays hidden, doubled with every receive."""

    def run(self) -> None:
        """Poll until `stopping` is set; what is in hand then is finished first."""
        _log.info("Waiting for messages in %s.", self.queue_url)
        failures = 0
        while not self.stopping.is_set():
            heartbeat_file().touch()
            try:
                self.work_one()
                failures = 0
            except Exception:  # noqa: BLE001 - a queue that does not answer now may do so later
                failures += 1
                pause = random.uniform(0.5, 1) * min(2.0**failures, _MAX_PAUSE_SECONDS)  # noqa: S311
                _log.warning("No message received; again in %.1f s.", pause, exc_info=True)
                self.stopping.wait(pause)
        _log.info("Stopped.")

    def work_one(self) -> bool:
        """Wait for one message and work it; return whether there was one."""
        answer = self.client.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=self.long_poll_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        for message in answer.get("Messages", []):
            if self.stopping.is_set():
                self._hide(message, 0)
            else:
                with protection.from_scale_in(self._agent):
                    self._work(message)
            return True
        return False

    @property
    def _agent(self) -> str | None:
        return self.context.task.options.get(protection.AGENT_VARIABLE)

    def _work(self, message: MessageTypeDef) -> None:
        try:
            event = events.from_message(message["Body"])
        except BadEventError as error:
            self._refuse(message, str(error))
            return
        with self.current.holding(lambda _: self._hide(message, 0)):
            self._perform(event, message)
        # An error and the frames that it went through hold each other, with the rows of a file;
        # the collector counts objects, and comes late for a few of a gigabyte.
        gc.collect()

    def _perform(self, event: S3Event, message: MessageTypeDef) -> None:
        receives = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        try:
            outcome = perform(
                event,
                self.context,
                self.handler,
                current=self.current,
                beats=(lambda: self._keep_hidden(message),),
            )
        except Exception as error:  # noqa: BLE001 - one bad message must not end the worker
            # What becomes of it, another attempt or a dead letter, was logged when it was decided.
            _log.exception("Failed on %s: %s: %s", event, type(error).__name__, error)
            # What fails for want of something may find it a little later. What was the last attempt
            # comes back too, is found among the dead letters, and goes.
            wait = self.retry_seconds * 2 ** (receives - 1)
            self._hide(message, min(wait, _LAST_RETRY_SECONDS))
            return
        if isinstance(outcome, Busy) and receives < MEETINGS:
            # Its owner may die; until then there is nothing to do here.
            self._hide(message, max(1, int(outcome.until - time.time()) + 1))
            return
        if isinstance(outcome, Busy):
            # The owner's own message comes back, ECS tells of the owner's task, or, where neither
            # happens, the next reconcile asks what became of it.
            _log.info("A duplicate, for its work has been in other hands for long: %s", event)
        self._delete(message)

    def _refuse(self, message: MessageTypeDef, reason: str) -> None:
        """Put a message that is no event among the dead letters: it will not become one."""
        _log.error("A message that nobody can work: %s", reason)
        try:
            self.context.dead_letters.put(message["Body"], reason, attempts=0)
        except Exception:  # noqa: BLE001 - it stays in its queue, and is refused again
            _log.warning("It stays in the queue for now.", exc_info=True)
            return
        self._delete(message)

    def _delete(self, message: MessageTypeDef) -> None:
        try:
            self.client.delete_message(
                QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
        except Exception:  # noqa: BLE001 - its claim says that it is dealt with
            _log.warning("A message that is dealt with was not deleted; it returns.", exc_info=True)

    def _hide(self, message: MessageTypeDef, seconds: int) -> None:
        try:
            self._change_visibility(message, seconds)
        except Exception:  # noqa: BLE001 - it returns all the same, at another time
            _log.warning("A message was not hidden for %d s.", seconds, exc_info=True)

    def _keep_hidden(self, message: MessageTypeDef) -> None:
        self._change_visibility(message, VISIBILITY_SECONDS)

    def _change_visibility(self, message: MessageTypeDef, seconds: int) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.queue_url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=seconds,
        )
