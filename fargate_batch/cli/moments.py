"""How far a command looks back: `90m`, `36h`, `7d`, or a date, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """Reads a span before now or an ISO 8601 date or time (UTC unless it says otherwise)."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment, with its time zone."""
        if isinstance(value, datetime):
            return value
        try:
            if span := re.fullmatch(r"(\d+)([mhd])", value):
                return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is none of 90m, 36h, 7d, 2026-06-30 and 2026-06-30T18:00.", param, ctx
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
