"""The worker of a stage's queue: one message at a time, until it is told to stop."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchkit import events, protection
from batchkit.errors import BadEventError
from batchkit.health import heartbeat_file
from batchkit.task import Busy, CurrentWork, perform

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from batchkit.stage import Context, Handler

LONG_POLL_SECONDS: Final = 20
VISIBILITY_SECONDS: Final = 60
"""How long a message stays hidden after each heartbeat; a dead worker's comes back after it."""
_MAX_VISIBILITY_SECONDS: Final = 43_200

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

    def run(self) -> None:
        """Poll until `stopping` is set; what is in hand then is finished first."""
        _log.info("Waiting for messages in %s.", self.queue_url)
        while not self.stopping.is_set():
            heartbeat_file().touch()
            self.work_one()
        _log.info("Stopped.")

    def work_one(self) -> bool:
        """Wait for one message and work it; return whether there was one."""
        answer = self.client.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=self.long_poll_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
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
            # Left to become visible again, so that after its receives it is a dead letter that
            # an operator sees; deleting it would hide it.
            _log.error("A message that nobody can work: %s", error)
            return
        try:
            outcome = perform(
                event,
                self.context,
                self.handler,
                current=self.current,
                beats=(lambda: self._hide(message, VISIBILITY_SECONDS),),
            )
        except Exception as error:  # noqa: BLE001 - one bad message must not end the worker
            _log.exception(
                "Failed on %s: %s: %s. The message goes back to the queue.",
                event,
                type(error).__name__,
                error,
            )
            self._hide(message, 0)
            return
        if isinstance(outcome, Busy):
            # Its owner may die; until then there is nothing to do here.
            wait = max(1, int(outcome.until - time.time()) + 1)
            self._hide(message, min(wait, _MAX_VISIBILITY_SECONDS))
            return
        self.client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def _hide(self, message: MessageTypeDef, seconds: int) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.queue_url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=seconds,
        )
