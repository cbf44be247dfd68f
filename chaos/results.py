"""What the proof found: on the screen, and in docs/reliability.md."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.results import machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaos.drill import Drilled
    from chaos.scene import Incident

RESULTS: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
_BEGIN: Final = "<!-- measured: {name} -->"
_END: Final = "<!-- end -->"
_COUNTED: Final = (
    ("RunTask calls answered 200 with failures", "run_task.failed", "run_task.seen"),
    ("tasks interrupted (SIGTERM)", "tasks.sigterm", "tasks.seen"),
    ("tasks killed (SIGKILL)", "tasks.sigkill", "tasks.seen"),
    ("S3 events delivered twice", "events.twice", "events.seen"),
    ("S3 events delivered late", "events.late", "events.seen"),
)


def drill_table(drills: Sequence[Drilled]) -> list[str]:
    """The drill's figures, a column a dispatch mode."""
    heads = [f"`{drill.dispatch}`" for drill in drills]
    rows: list[tuple[str, list[str]]] = [
        ("files dropped", [f"{drill.files:,}" for drill in drills]),
        ("minutes until the last had its end", [f"{drill.seconds / 60:.1f}" for drill in drills]),
    ]
    rows += [
        (name, [_of(drill.faults, hit, seen) for drill in drills]) for name, hit, seen in _COUNTED
    ]
    rows += [
        (
            f"calls to {service} that failed, half of them after they took effect",
            [_calls(drill, service) for drill in drills],
        )
        for service in ("dynamodb", "sqs", "s3")
    ]
    rows += [
        (state, [f"{drill.findings.states[state]:,}" for drill in drills])
        for state in ("reported", "rejected")
    ]
    rows += [
        ("pieces put back by `batch reconcile`", [f"{drill.put_back:,}" for drill in drills]),
        ("pieces redriven by `batch redrive --all`", [f"{drill.redriven:,}" for drill in drills]),
        (
            "pieces by the attempts they took",
            [
                ", ".join(f"{n}: {count:,}" for n, count in sorted(drill.findings.attempts.items()))
                for drill in drills
            ],
        ),
        (
            "reports written again with the same figures",
            [f"{drill.findings.rewritten_reports:,}" for drill in drills],
        ),
        ("lost, done twice, or with other figures", [_wrong(drill) for drill in drills]),
    ]
    return [
        "| |" + "|".join(heads) + "|",
        "|---|" + "---|" * len(heads),
        *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
    ]


def incident_table(incidents: Iterable[Incident]) -> list[str]:
    """A row an incident."""
    return [
        "| incident | seconds | |",
        "|---|---|---|",
        *(
            f"| {one.name} | {one.seconds:.0f} | {'; '.join(one.wrong) or 'ok'} |"
            for one in incidents
        ),
    ]


def write(name: str, command: str, table: list[str]) -> None:
    """Write a part of docs/reliability.md, between its marks; the rest of the page stays.

    Raises:
        ValueError: the page has no such part.
    """
    text = RESULTS.read_text()
    begin = _BEGIN.format(name=name)
    before, found, rest = text.partition(begin)
    if not found:
        raise ValueError(f"{RESULTS} has no part {begin}")
    _, _, after = rest.partition(_END)
    said = f"`{command}` on {datetime.now(UTC):%Y-%m-%d}: {machine()}."
    RESULTS.write_text("\n".join([before + begin, "", said, "", *table, "", _END]) + after)


def _of(counts: object, hit: str, seen: str) -> str:
    values = dict(counts) if isinstance(counts, dict) else {}
    return f"{values.get(hit, 0):,} of {values.get(seen, 0):,}"


def _calls(drill: Drilled, service: str) -> str:
    before, after = (drill.faults.get(f"calls.{service}.{when}", 0) for when in ("before", "after"))
    return f"{before + after:,} of {drill.faults.get(f'calls.{service}.seen', 0):,}"


def _wrong(drill: Drilled) -> str:
    return (
        ", ".join(f"{kind}: {len(details)}" for kind, details in drill.findings.wrong.items())
        or "none"
    )
