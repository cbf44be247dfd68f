"""The stage catalogue: what a stage is, and what one may be."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fargate_batch.names import logical_id

# Fargate's sizes: memory in MiB for each number of CPU units.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY: Final[dict[int, range]] = {
    256: range(512, 2048 + 1, 512),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


class Model(BaseModel):
    """A part of the settings: an unknown key is refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Dispatch(StrEnum):
    """How a stage gets its work."""

    TASK = "task"
    QUEUE = "queue"


class Source(Model):
    """Which objects a stage listens to."""

    bucket: Literal["input", "output"]
    key_pattern: Annotated[str, Field(min_length=1)]
    """An EventBridge wildcard, e.g. runs/*/shards/*.parquet."""


KeyPattern = Annotated[str, Field(min_length=1, pattern=r"^[^/*?][^?]*$")]
"""A key below a named prefix; `*` stands for any characters."""


class Access(Model):
    """Which objects a stage's task role may touch; a stage sees nothing else."""

    input: tuple[KeyPattern, ...] = ()
    output: tuple[KeyPattern, ...] = ()


class Scaling(Model):
    """The limits between which a stage's service scales."""

    min_tasks: Annotated[int, Field(ge=0, le=1000)] = 0
    """So many tasks wait for work at any time; 0 costs nothing."""
    max_tasks: Annotated[int, Field(ge=1, le=1000)]
    """The most tasks of its service; the subnets must have room for them. `task` knows no limit."""
    cpu_target_percent: Annotated[int, Field(ge=10, le=90)] = 70
    """The service is scaled to hold this average CPU."""
    backlog_per_task: Annotated[int, Field(ge=1, le=100_000)] = 10
    """With `queue`, the service is scaled to hold so many waiting messages a running task."""
    cooldown_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """So long after a scaling the next one waits, out and in."""

    @model_validator(mode="after")
    def _ordered(self) -> Scaling:
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks ({self.min_tasks}) is above max_tasks ({self.max_tasks})")
        return self


class Stage(Model):
    """One row of the catalogue."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32)]
    cpu: int
    """CPU units; 1024 are one vCPU."""
    memory: int
    """MiB."""
    source: Source
    dispatch: Dispatch = Dispatch.TASK
    """`task`: one task an object. `queue`: a service works the stage's queue."""
    scaling: Scaling
    reads: Access = Access()
    writes: Access = Access()
    environment: dict[str, str] = Field(default_factory=dict)
    """Further environment variables, which the stage's own documentation describes."""

    @property
    def logical_id(self) -> str:
        """The stage's name inside CloudFormation, e.g. DataIngestion."""
        return logical_id(self.name)

    @model_validator(mode="after")
    def _fargate_size(self) -> Stage:
        sizes = FARGATE_MEMORY.get(self.cpu)
        if sizes is None:
            raise ValueError(f"cpu is {self.cpu}; Fargate has {sorted(FARGATE_MEMORY)}")
        if self.memory not in sizes:
            raise ValueError(
                f"memory is {self.memory}; with cpu {self.cpu} Fargate has "
                f"{sizes.start} to {sizes.stop - 1} MiB in steps of {sizes.step}"
            )
        return self
