"""Which faults, how often, and the seed by which they are chosen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

SERVICES: Final = ("dynamodb", "sqs", "s3")


@dataclass(frozen=True)
class TaskFaults:
    """Tasks that are killed while they run."""

    share: float = 0.0
    """Of the tasks that started."""
    within_seconds: float = 10.0
    """The moment is chosen evenly between the start and so much later."""
    sigkill_share: float = 0.5
    """Of the killed ones: by SIGKILL and exit code 137; the others are interrupted as Spot does."""
    most_per_work: int | None = None
    """How often tasks with the same overrides are killed at most; None for no limit.

    A service's tasks have no overrides, and no limit.
    """


@dataclass(frozen=True)
class EventFaults:
    """S3's events, which come at least once and in any order."""

    twice: float = 0.0
    """The share that is delivered a second time."""
    late: float = 0.0
    """The share that is delivered late, and so after later ones."""
    delay_seconds: float = 5.0
    """How late at most, also of the second delivery."""


@dataclass(frozen=True)
class CallFaults:
    """Calls of one service, made with the credentials of tasks."""

    share: float = 0.0
    """Of the calls, those that are answered with an error."""
    after_share: float = 0.0
    """Of these, those that took effect before the error was answered."""
    slow: float = 0.0
    """Of the calls, those that wait before they are served."""
    slow_seconds: float = 1.0
    """How long at most."""


@dataclass(frozen=True)
class Faults:
    """Everything that shall go wrong."""

    seed: int = 0
    run_task_failures: float = 0.0
    """The share of RunTask calls made by rules that are answered 200 with failures and no task."""
    tasks: TaskFaults = TaskFaults()
    events: EventFaults = EventFaults()
    calls: dict[str, CallFaults] = field(default_factory=dict)
    """By service: dynamodb, sqs, s3."""

    def __post_init__(self) -> None:
        """Refuse what means nothing.

        Raises:
            ValueError: a share is none, a time is negative or a service is not known.
        """
        for part in (self, self.tasks, self.events, *self.calls.values()):
            _check(part)
        unknown = set(self.calls) - set(SERVICES)
        if unknown:
            raise ValueError(f"calls: {', '.join(sorted(unknown))} is none of {SERVICES}")

    def to_json(self) -> dict[str, Any]:
        """What from_json understands."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: Any) -> Faults:
        """Read them; what is not named does not go wrong.

        Raises:
            ValueError: a name is not known or a value is none; the message says which.
        """
        values = _known(Faults, content)
        for name, part in (("tasks", TaskFaults), ("events", EventFaults)):
            if name in values:
                values[name] = part(**_known(part, values[name]))
        values["calls"] = {
            service: CallFaults(**_known(CallFaults, one))
            for service, one in (values.get("calls") or {}).items()
        }
        return Faults(**values)


def _known(part: type, content: Any) -> dict[str, Any]:
    names = get_type_hints(part)
    if not isinstance(content, dict) or set(content) - set(names):
        raise ValueError(f"{part.__name__} takes an object of {', '.join(names)}, not {content!r}")
    return dict(content)


def _check(part: Any) -> None:
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        if item.name in ("tasks", "events", "calls") or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ValueError(f"{item.name} must be a number of at least 0, not {value!r}")
        is_share = item.name in ("share", "twice", "late", "slow") or item.name.endswith(
            ("_share", "_failures")
        )
        if is_share and value > 1:
            raise ValueError(f"{item.name} is a share and must be at most 1, not {value!r}")
