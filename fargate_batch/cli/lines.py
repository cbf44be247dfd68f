"""What a task's log line says: its fields for a program, a few lines of text for a person."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_METRICS: Final = "_aws"
"""Only lines that CloudWatch makes metrics of have this field."""
_SHOWN: Final = ("time", "stage", "level", "message")
_FRAME: Final = re.compile(
    r'^[ |]*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$', re.MULTILINE
)

_LIBRARIES: Final = ("/site-packages/", "/lib/python3.")


def fields_of(line: str) -> dict[str, Any] | None:
    """The fields of a line that a stage wrote; None for what else its process printed."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def is_metrics(line: str) -> bool:
    """Whether a line is there for CloudWatch alone."""
    return _METRICS in (fields_of(line) or {})


def readable(line: str) -> str:
    """Time, stage, level and message in one line, and below it the traceback if there is one."""
    fields = fields_of(line)
    if fields is None or "message" not in fields:
        return line
    said = " ".join(str(fields[name]) for name in _SHOWN if name in fields)
    # A message may quote a file's text; what begins a line is always a time.
    first = re.sub(r"[\t\r\n]+", " ", said)
    return "\n".join((first, *str(fields.get("traceback", "")).splitlines()))


def raised_at(fields: dict[str, Any]) -> str | None:
    """Where the error of a line was raised, `file:line in function`; None without a traceback.

    In a library it is where the stage called it, which says more of what the stage was about.
    """
    frames = [match.groupdict() for match in _FRAME.finditer(str(fields.get("traceback", "")))]
    own = [frame for frame in frames if not any(part in frame["file"] for part in _LIBRARIES)]
    last = (own or frames)[-1:]
    return "{file}:{line} in {function}".format(**last[0]) if last else None
