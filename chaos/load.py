"""How many files a minute the pipeline takes when all is well, and what it waits for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaos import audit
from chaos.drill import ENDED, POLL_SECONDS, drop
from chaos.files import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.files import Input
    from chaos.project import Copy
    from fargate_batch.catalogue import Dispatch

FILES: Final = 120
_MOST_SECONDS: Final = 1800.0


@dataclass(frozen=True)
class Loaded:
    """What one dispatch mode took."""

    dispatch: Dispatch
    files: int
    upload_seconds: float
    seconds: float
    """From the first upload to the last report."""
    steady_per_minute: float
    """Reports a minute between the first and the last quarter of them."""
    busy: float
    """The machine's cores in use meanwhile, of all of them."""
    pieces: int
    """Events that were worked: a file's own, its shards' and its report's."""


def measure(copy: Copy, given: Input, *, dispatch: Dispatch, files: int = FILES) -> Loaded:
    """Drop files at once and watch their reports come.

    Raises:
        TimeoutError: not all of them have a report in time.
    """
    environment = copy.find()
    chosen = [
        File(f"positions/load/{dispatch.value}/{number:05d}.csv", given.contents[at], at)
        for number in range(files)
        for at in [number % len(given.contents)]
    ]
    pieces_before = len(audit.look(environment).claims)
    began, busy_before = time.monotonic(), _busy_seconds()
    runs = {each.run_id for each in drop(environment, chosen)}
    uploaded = time.monotonic()
    seen: list[tuple[float, int]] = []
    while True:
        states = audit.states(environment)
        ended = sum(states.get(run) in ENDED for run in runs)
        now = time.monotonic()
        seen.append((now, ended))
        if ended == len(runs):
            break
        if now - began > _MOST_SECONDS:
            raise TimeoutError(f"{ended} of {len(runs)} runs ended within {_MOST_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    busy = (_busy_seconds() - busy_before) / (now - began) / (os.cpu_count() or 1)
    return Loaded(
        dispatch=dispatch,
        files=files,
        upload_seconds=uploaded - began,
        seconds=now - began,
        steady_per_minute=_steady(seen, files),
        busy=busy,
        pieces=len(audit.look(environment).claims) - pieces_before,
    )


def table(loads: Sequence[Loaded]) -> list[str]:
    """A row a dispatch mode."""
    heads = (
        "dispatch",
        "files",
        "pieces of work",
        "uploaded in",
        "all reported in",
        "reports a minute",
        "pieces a second",
        "cores busy",
    )
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(_row(one))} |" for one in loads),
    ]


def _row(one: Loaded) -> tuple[str, ...]:
    return (
        f"`{one.dispatch.value}`",
        f"{one.files}",
        f"{one.pieces}",
        f"{one.upload_seconds:.1f} s",
        f"{one.seconds:.0f} s",
        f"{one.steady_per_minute:.1f}",
        f"{one.steady_per_minute / 60 * one.pieces / one.files:.1f}",
        f"{one.busy:.0%}",
    )


def _steady(seen: Sequence[tuple[float, int]], files: int) -> float:
    first = next(moment for moment, ended in seen if ended >= files * 0.25)
    last_moment, last = next((moment, ended) for moment, ended in seen if ended >= files * 0.75)
    at_first = next(ended for _, ended in seen if ended >= files * 0.25)
    if last_moment <= first:
        return files / (seen[-1][0] - seen[0][0]) * 60
    return (last - at_first) / (last_moment - first) * 60


def _busy_seconds() -> float:
    """Seconds that the machine's cores have worked since it started."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - no file on a disk
        user, nice, system, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")
