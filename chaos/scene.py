"""Where incidents happen, what is seen of them there, and what was wrong after one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batchkit.claims import ClaimState

from chaos import audit
from chaos.drill import Effort, drop, settle, wait
from chaos.files import File
from fargate_batch.names import Output, StageOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaos.audit import Dropped
    from chaos.files import Input
    from chaos.project import Copy
    from fargate_batch.environment import Environment
    from local.faults.client import FaultsClient

Found = TypeVar("Found")
_PATIENCE_SECONDS: Final = 300.0


@dataclass
class Incident:
    """One incident and what was wrong after it."""

    name: str
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, *, holds: bool) -> None:
        """Note `what` as wrong unless it holds."""
        if not holds:
            self.wrong.append(what)


@dataclass(frozen=True)
class Scene:
    """Where incidents happen: a launched environment in queue mode."""

    copy: Copy
    given: Input
    calm: Mapping[int, Mapping[str, Any]]
    faults: FaultsClient
    port: int

    @property
    def environment(self) -> Environment:
        """The launched environment."""
        return self.copy.find()

    def drop(self, name: str, count: int = 1) -> list[Dropped]:
        """Drop files of the first contents."""
        files = [
            File(f"positions/incidents/{name}-{number}.csv", self.given.contents[number], number)
            for number in range(count)
        ]
        return drop(self.environment, files)

    def end(self, incident: Incident, dropped: list[Dropped]) -> None:
        """Wait for the runs' ends and hold them against the calm run."""
        wait(self.copy, self.environment, dropped, Effort())
        settle(self.environment)
        found = audit.inspect(self.environment, dropped, self.calm)
        for kind, details in found.wrong.items():
            incident.wrong += [f"{kind}: {detail}" for detail in details]

    def claims(self, dropped: Dropped, stage: str) -> list[dict[str, Any]]:
        """The claims that a stage has on a run's objects."""
        return [
            claim
            for claim in audit.claims_of(self.environment, dropped.run_id)
            if claim["stage"] == stage
        ]

    def claim_in_hand(self, dropped: Dropped, stage: str) -> dict[str, Any]:
        """Wait until a stage has an object of the run in hand; return the claim."""
        return until(
            lambda: next(
                (
                    claim
                    for claim in self.claims(dropped, stage)
                    if claim["state"] == ClaimState.CLAIMED
                ),
                None,
            )
        )

    def workers(self, stage: str) -> list[str]:
        """Wait until tasks of a stage's service run, and are not only about to; return them."""
        return until(lambda: self._running(stage))

    def _running(self, stage: str) -> list[str]:
        environment = self.environment
        answer = environment.client("ecs").list_tasks(
            cluster=environment[Output.CLUSTER_NAME],
            serviceName=environment.of(stage, StageOutput.SERVICE_NAME),
            desiredStatus="RUNNING",
        )
        if not answer["taskArns"]:
            return []
        described = environment.client("ecs").describe_tasks(
            cluster=environment[Output.CLUSTER_NAME], tasks=answer["taskArns"]
        )
        return [task["taskArn"] for task in described["tasks"] if task["lastStatus"] == "RUNNING"]

    def processes(self, stage: str) -> list[int]:
        """The processes of a stage's workers, on this machine."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                environ = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended, or is somebody else's
            here = f"AWS_ENDPOINT_URL=http://127.0.0.1:{self.port}".encode()
            if b"work" in words and f"STAGE={stage}".encode() in environ and here in environ:
                found.append(int(folder.name))
        return found


def until(look: Callable[[], Found | None], seconds: float = _PATIENCE_SECONDS) -> Found:
    """Look until something is found; return it.

    Raises:
        TimeoutError: nothing was found in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not seen within {seconds:.0f} s.")
        time.sleep(0.3)
    return found
