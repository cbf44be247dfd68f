"""Logs: one JSON object a line, with time, level, stage and run id."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

current_run: ContextVar[str | None] = ContextVar("current_run", default=None)
"""The run that is being worked on; every line carries it."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def about(run_id: str) -> Iterator[None]:
    """Let every line carry this run; after an error too, for the lines that then report it."""
    current_run.set(run_id)
    yield
    current_run.set(None)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; what is passed as `extra` becomes fields."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "stage": self._stage,
            "run_id": current_run.get(),
            "message": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(stage: str, stream: IO[str] | None = None) -> None:
    """Send every log line of this process to `stream` (standard output) as JSON."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(stage))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("boto3", "botocore", "s3transfer", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
