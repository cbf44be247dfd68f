"""How many tasks run at once: what one machine can bear, where Fargate has room for all.

A task beyond that waits in PROVISIONING, in the order in which it came. A service or a family of
which nothing runs does not wait, so that long-running workers cannot keep out what feeds them. For
a service's new revision the scheduler stops tasks of the last one.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.location import SettingError
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_WORKER: Final = Symbol(
    "services.ecs",
    "_run_task_worker",
    ("task", "td", "container_overrides", "docker_client", "account_id", "region"),
)
_STOPPED: Final = Symbol(
    "services.ecs", "_mark_task_stopped", ("task_arn", "task", "reason", "stop_code", "exit_code")
)

SYMBOLS: Final = (_WORKER, _STOPPED)

VARIABLE: Final = "LOCAL_AWS_TASK_SLOTS"
_TASKS_PER_CORE: Final = 4
_BYTES_PER_TASK: Final = 512 << 20
_FEWEST: Final = 4

WAITS: Final = "_waitsForSlot"
"""A task has this member while it waits."""

Start = tuple[Any, ...]
"""The arguments of MiniStack's worker; the task comes first."""


def install() -> None:
    """Let tasks wait for a slot, and give a slot back with the task that had it."""
    waiting = Slots(limit(), _WORKER.get())
    _WORKER.set(waiting.start)
    _STOPPED.wrap(lambda mark: _releasing(mark, waiting))


def limit() -> int:
    """How many tasks may run at once: the variable's number, else by cores and memory.

    Raises:
        SettingError: the variable is no positive number.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise SettingError(f"{VARIABLE} must be a positive number, not {chosen!r}")
        return int(chosen)
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_FEWEST, min(_TASKS_PER_CORE * cores, memory // _BYTES_PER_TASK))


@dataclass
class Slots:
    """The slots, who has them and who waits for one."""

    number: int
    run: Callable[..., None]

    def __post_init__(self) -> None:
        """Begin with nobody running and nobody waiting."""
        self._lock = threading.Lock()
        self._running: dict[str, str] = {}
        self._groups: Counter[str] = Counter()
        self._waiting: deque[Start] = deque()

    def start(self, *start: Any) -> None:
        """Run a task now, in this thread, or note it for later."""
        with self._lock:
            task = start[0]
            if not self._has_room(task):
                task[WAITS] = True
                self._waiting.append(start)
                return
            self._take(task)
        self.run(*start)

    def release(self, task: dict[str, Any]) -> None:
        """Give back what a task had, and start whoever is next, each in a thread."""
        ready: list[Start] = []
        with self._lock:
            group = self._running.pop(task["taskArn"], None)
            if group is not None:
                self._groups[group] -= 1
            still: deque[Start] = deque()
            for start in self._waiting:
                if start[0]["desiredStatus"] == "STOPPED":
                    continue
                if self._has_room(start[0]):
                    self._take(start[0])
                    ready.append(start)
                else:
                    still.append(start)
            self._waiting = still
        for start in ready:
            threading.Thread(
                target=self.run, args=start, daemon=True, name="local-ecs-slot"
            ).start()

    def _has_room(self, task: dict[str, Any]) -> bool:
        return len(self._running) < self.number or not self._groups[_group(task)]

    def _take(self, task: dict[str, Any]) -> None:
        task.pop(WAITS, None)
        self._running[task["taskArn"]] = _group(task)
        self._groups[_group(task)] += 1


def _group(task: dict[str, Any]) -> str:
    return f"{task['clusterArn']} {task.get('group', '')}"


def _releasing(mark: Any, slots: Slots) -> Any:
    def mark_and_release(task_arn: str, task: dict[str, Any], *details: Any, **named: Any) -> bool:
        changed: bool = mark(task_arn, task, *details, **named)
        if changed:
            slots.release(task)
        return changed

    return mark_and_release
