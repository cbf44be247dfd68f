"""The local AWS is stopped and started again, with its state, in the middle of everything."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import boto3

from chaos import audit
from chaos.drill import Effort, calm, drop, settle, wait
from chaos.files import File
from chaos.project import ENVIRONMENT, copy_project
from chaos.scene import Incident
from local import process
from local.location import Directory, environment
from local.testing import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chaos.files import Input
    from chaos.project import Copy

REGION: Final = "eu-west-1"
FILES: Final = 8


class Restartable:
    """A local AWS that keeps its state between one start and the next."""

    def __init__(self, folder: Path) -> None:
        self.directory = Directory(folder)
        self.port = free_port()

    @property
    def variables(self) -> dict[str, str]:
        """Those that point AWS clients at it."""
        return environment(self.port, REGION)

    def start(self) -> None:
        """Start it with the state of the last one."""
        process.start(
            self.directory,
            self.port,
            persist=True,
            region=REGION,
            use_engine=False,
            with_parent=True,
        )

    def stop(self) -> None:
        """Stop it; it saves its state."""
        process.stop(self.directory)


def play(folder: Path, given: Input) -> list[Incident]:
    """Restart in the middle of a launch, of a run and of a delete.

    Raises:
        CommandError: one of the project's commands failed when it had to succeed.
    """
    aws = Restartable(folder / "aws")
    aws.start()
    try:
        os.environ.update(aws.variables)
        copy = copy_project(folder / "project", aws.variables)
        return [
            _launch(aws, copy),
            _run(aws, copy, calm(copy, given), given),
            _delete(aws, copy),
        ]
    finally:
        aws.stop()


def _launch(aws: Restartable, copy: Copy) -> Incident:
    incident = Incident("the local AWS restarts in the middle of a launch")
    began = time.monotonic()
    launch = copy.start("sceptre", "launch", ENVIRONMENT, "--yes")
    _until_stacks(launch, lambda count: count >= 6)
    aws.stop()
    incident.expect("the launch was over before the stop", holds=launch.wait() != 0)
    aws.start()
    copy.launch()
    statuses = set(_stacks().values())
    incident.expect(
        f"stacks are {statuses}", holds=statuses <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    )
    incident.seconds = time.monotonic() - began
    return incident


def _run(
    aws: Restartable, copy: Copy, calm_figures: Mapping[int, Mapping[str, Any]], given: Input
) -> Incident:
    incident = Incident("the local AWS restarts in the middle of a run")
    began = time.monotonic()
    place = copy.find()
    files = [
        File(f"positions/restart/{number}.csv", given.contents[number], number)
        for number in range(FILES)
    ]
    dropped = drop(place, files)
    for seconds in (3, 8):
        time.sleep(seconds)
        aws.stop()
        aws.start()
    wait(copy, place, dropped, Effort())
    settle(place)
    for kind, details in audit.inspect(place, dropped, calm_figures).wrong.items():
        incident.wrong += [f"{kind}: {detail}" for detail in details]
    incident.seconds = time.monotonic() - began
    return incident


def _delete(aws: Restartable, copy: Copy) -> Incident:
    incident = Incident("the local AWS restarts in the middle of a delete")
    began = time.monotonic()
    before = len(_stacks())
    delete = copy.start("sceptre", "delete", ENVIRONMENT, "--yes")
    _until_stacks(delete, lambda count: count <= before - 4)
    aws.stop()
    incident.expect("the delete was over before the stop", holds=delete.wait() != 0)
    aws.start()
    copy.delete()
    left = _stacks()
    incident.expect(f"stacks are left: {left}", holds=not left)
    incident.seconds = time.monotonic() - began
    return incident


def _stacks() -> dict[str, str]:
    """The environment's stacks and their statuses."""
    client = boto3.client("cloudformation", region_name=REGION)
    stacks = client.get_paginator("describe_stacks").paginate()
    return {
        stack["StackName"]: stack["StackStatus"]
        for page in stacks
        for stack in page["Stacks"]
        if ENVIRONMENT in stack["StackName"] and stack["StackStatus"] != "DELETE_COMPLETE"
    }


def _until_stacks(command: subprocess.Popen[bytes], enough: Callable[[int], bool]) -> None:
    while command.poll() is None and not enough(len(_stacks())):
        time.sleep(0.2)
