"""`python -m chaos`: drop files while everything fails, and see that nothing is lost or done twice.

Prints what it found, writes it into docs/reliability.md, and exits with 1 when anything was lost,
done twice, left open or other than in a calm run. Nothing of what it starts is left.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from chaos import drill, files, incidents, load, restarts, results
from chaos.project import copy_project
from chaos.scene import Scene
from fargate_batch.catalogue import Dispatch
from local.faults.client import FaultsClient
from local.testing import local_aws

if TYPE_CHECKING:
    from chaos.files import Input
    from chaos.scene import Incident

PARTS: Final = ("drill", "incidents", "restarts", "load")
CONSOLE: Final = Console(soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Play what the arguments name; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument(
        "--files",
        type=_number_of_files,
        default=1000,
        help="for each dispatch mode one half; at least 2",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=PARTS, action="append", help="repeatable; all by default")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    chosen = parser.parse_args(arguments)
    parts = chosen.only or PARTS
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        given = files.make(chosen.seed, folder / "input")
        wrong = 0
        if {"drill", "incidents", "load"} & set(parts):
            wrong += _launched(folder, given, chosen, parts)
        if "restarts" in parts:
            (folder / "restarts").mkdir()
            found = restarts.play(folder / "restarts", given)
            _say("restarts", "make chaos", results.incident_table(found), chosen.write)
            wrong += sum(len(one.wrong) for one in found)
    CONSOLE.print("Nothing was lost and nothing was done twice." if not wrong else f"{wrong} WRONG")
    return int(bool(wrong))


def _number_of_files(files: str) -> int:
    number = int(files)
    if number < len(Dispatch):
        raise argparse.ArgumentTypeError(f"it is {number}, and each dispatch mode needs one")
    return number


def _launched(
    folder: Path, given: Input, chosen: argparse.Namespace, parts: tuple[str, ...]
) -> int:
    """Play what needs a launched environment; return how much was wrong."""
    wrong = 0
    drills, loads = [], []
    with local_aws(use_engine=False) as aws:
        os.environ.update(aws.environment)
        copy = copy_project(folder / "project", aws.environment)
        client = FaultsClient(aws.endpoint)
        calm = None
        for dispatch in Dispatch:
            copy.dispatch(dispatch)
            copy.launch()
            calm = calm or drill.calm(copy, given)
            if "drill" in parts:
                done = drill.drill(
                    copy,
                    given,
                    calm,
                    client,
                    dispatch=dispatch.value,
                    files=chosen.files // len(Dispatch),
                    seed=chosen.seed,
                )
                for kind, details in done.findings.wrong.items():
                    CONSOLE.print(f"{kind}: {len(details)}, e.g. {details[:3]}")
                wrong += sum(len(details) for details in done.findings.wrong.values())
                drills.append(done)
            if "load" in parts:
                loads.append(load.measure(copy, given, dispatch=dispatch))
        command = f"python -m chaos --files {chosen.files} --seed {chosen.seed}"
        if drills:
            _say("drill", command, results.drill_table(drills), chosen.write)
        if loads:
            _say("load", "python -m chaos --only load", load.table(loads), chosen.write)
        if "incidents" in parts:
            scene = Scene(copy, given, calm or {}, client, aws.running.port)
            found = incidents.play_all(scene, _tell)
            _say("incidents", "make chaos", results.incident_table(found), chosen.write)
            wrong += sum(len(one.wrong) for one in found)
    return wrong


def _tell(incident: Incident) -> None:
    verdict = "; ".join(incident.wrong) or "ok"
    CONSOLE.print(f"{incident.name}: {verdict} ({incident.seconds:.0f} s)")


def _say(name: str, command: str, table: list[str], write: bool) -> None:  # noqa: FBT001 - an option
    CONSOLE.print("\n".join(["", name, *table]))
    if write:
        results.write(name, command, table)


if __name__ == "__main__":
    sys.exit(main())
