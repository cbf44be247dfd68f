"""Scheduled rules: which expressions are valid, when they fire, and that a restart is no reason to.

MiniStack fires them; what it forgets is when each fired last, and that a rule with a name that was
used before is another rule.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import math
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final

from local.events import metrics
from local.location import SettingError
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_RULES: Final = Symbol("services.eventbridge", "_rules")
_LAST_FIRED: Final = Symbol("services.eventbridge", "_rule_last_fired")
_TICK_INTERVAL: Final = Symbol("services.eventbridge", "_SCHEDULER_TICK_INTERVAL")
_TICK: Final = Symbol("services.eventbridge", "_tick_scheduled_rules", ())
_RATE_SECONDS: Final = Symbol("services.eventbridge", "_parse_rate_seconds", ("expr",))
_VALIDATE: Final = Symbol("services.eventbridge", "_validate_schedule_expression", ("expr",))

SYMBOLS: Final = (_RULES, _LAST_FIRED, _TICK_INTERVAL, _TICK, _RATE_SECONDS, _VALIDATE)

MINUTE_VARIABLE: Final = "LOCAL_AWS_MINUTE_SECONDS"
"""How long a minute of rate(...) lasts here, in seconds; a test need not wait for a real one."""

_MINUTE: Final = 60.0
_TICK_SECONDS: Final = 1.0
_RATE: Final = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)(s?)\)")


def install() -> None:
    """Look every second, check strictly, and begin each countdown when its rule is made."""
    minute = minute_seconds()
    _TICK_INTERVAL.set(min(_TICK_SECONDS, minute / 4))
    _VALIDATE.wrap(_strict)
    _TICK.wrap(_remembering)
    if minute != _MINUTE:
        _RATE_SECONDS.wrap(lambda parse: _scaled(parse, minute / _MINUTE))


def minute_seconds() -> float:
    """How long a minute of rate(...) lasts here: the variable's number, else 60.

    Raises:
        SettingError: the variable is no positive number.
    """
    chosen = os.environ.get(MINUTE_VARIABLE, str(_MINUTE))
    try:
        seconds = float(chosen)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise SettingError(f"{MINUTE_VARIABLE} must be a positive number, not {chosen!r}")
    return seconds


def state() -> dict[Any, float]:
    """When each rule fired last, or began to count."""
    return dict(_LAST_FIRED.get())


def restore(saved: dict[Any, float]) -> None:
    """Go on counting where an earlier server ended."""
    _LAST_FIRED.get().update(saved)


def check(expression: str) -> None:
    """Refuse what EventBridge would refuse.

    Raises:
        ValueError: as CloudFormation words it.
    """
    if not _VALIDATE.get()(expression):
        raise ValueError("Parameter ScheduleExpression is not valid. (Service: EventBridge)")


def is_rate(expression: str) -> bool:
    """Whether it is a rate of at least one, in the singular for one and in the plural for more."""
    match = _RATE.fullmatch(expression)
    return match is not None and (match[1] == "1") == (match[3] == "")


def _strict(validate: Callable[[str], bool]) -> Callable[[str], bool]:
    def valid(expr: str) -> bool:
        return is_rate(expr) if expr.startswith("rate(") else validate(expr)

    return valid


def _scaled(parse: Callable[[str], int | None], factor: float) -> Callable[[str], float | None]:
    def seconds(expr: str) -> float | None:
        parsed = parse(expr)
        return None if parsed is None else parsed * factor

    return seconds


def _remembering(tick: Callable[[], None]) -> Callable[[], None]:
    def tick_and_remember() -> None:
        from ministack.core.responses import request_scope

        rules = {key: rule for key, rule in _RULES.get().all_items() if rule["ScheduleExpression"]}
        fired = _LAST_FIRED.get()
        for gone in fired.keys() - rules.keys():
            del fired[gone]
        for key in rules:
            fired.setdefault(key, time.time())
        before = dict(fired)
        tick()
        for (account, region, name), rule in rules.items():
            if fired[account, region, name] != before[account, region, name]:
                with request_scope(account, region):
                    metrics.count("TriggeredRules", rule)

    return tick_and_remember
