"""Work in the background that a stop interrupts and the next start takes up again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Work = tuple[str, str, tuple[Any, ...]]
"""Account, region and arguments."""


@dataclass
class Pending:
    """Calls of one function, each in a thread, remembered until they have returned.

    So each is done at least once, as EventBridge promises.
    """

    function: Callable[..., None]
    """Takes arguments that can be saved."""
    thread_name: str
    _under_way: dict[int, Work] = field(default_factory=dict)
    _restored: list[Work] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def start(self, *arguments: Any) -> None:
        """Call the function, in the account and region in hand."""
        from ministack.core.concurrency import spawn_background
        from ministack.core.responses import get_account_id, get_region

        number = next(self._numbers)
        self._under_way[number] = (get_account_id(), get_region(), arguments)
        spawn_background(self._run, number, arguments, thread_name=self.thread_name)

    def _run(self, number: int, arguments: tuple[Any, ...]) -> None:
        try:
            self.function(*arguments)
        finally:
            del self._under_way[number]

    def state(self) -> list[Work]:
        """What has not returned yet."""
        return list(self._under_way.values())

    def restore(self, saved: list[Work]) -> None:
        """Remember what an earlier server did not end."""
        self._restored.extend(saved)

    def go_on(self) -> None:
        """Start it again, once all services are restored."""
        from ministack.core.responses import request_scope

        while self._restored:
            account, region, arguments = self._restored.pop(0)
            with request_scope(account, region):
                self.start(*arguments)
