"""What there is to do: one job a stage whose image its repository lacks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imaging import references, repositories, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_ecr import ECRClient

    from imaging.references import Reference
    from imaging.sources import StageSources


@dataclass(frozen=True)
class Wanted:
    """The images that there should be."""

    project: Path
    """The project's folder."""
    base_image: str
    """What they stand on."""
    uris: Mapping[str, str]
    """Each stage's repository, e.g. localhost:4566/fargate-batch/data-ingestion-dev."""


@dataclass(frozen=True)
class Job:
    """A stage, its content's tag and the repository it belongs into."""

    sources: StageSources
    base_image: str
    tag: str
    uri: str
    """The repository's."""

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.sources.stage

    @property
    def repository(self) -> Reference:
        """The repository's host and name."""
        return references.parse(self.uri)

    @property
    def host_tag(self) -> str:
        """The tag of the content as an image for the interpreter that runs this."""
        return sources.host_tag(self.tag)


def of(wanted: Wanted) -> list[Job]:
    """A job for each stage.

    Raises:
        UserError: a stage lacks its sources.
    """
    base = wanted.base_image
    found = [(sources.find(wanted.project, stage), uri) for stage, uri in wanted.uris.items()]
    return [Job(each, base, sources.tag(each, base), uri) for each, uri in found]


def digest(ecr: ECRClient, job: Job) -> tuple[str, bool] | None:
    """The digest of the job's image and whether it is a host image; None when it is not there.

    An image with a base comes before one without.
    """
    found = repositories.digests(ecr, job.repository.repository, (job.tag, job.host_tag))
    if job.tag in found:
        return found[job.tag], False
    if job.host_tag in found:
        return found[job.host_tag], True
    return None


def missing(ecr: ECRClient, asked: list[Job], *, containers: Callable[[], bool]) -> list[Job]:
    """The jobs that are still to be done; ECR is asked about all of them at once.

    Args:
        ecr: the account's ECR.
        asked: all jobs.
        containers: whether images with a base can be made now; a host image is then replaced.
            Asked only when there is one.
    """
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        found = list(pool.map(lambda job: digest(ecr, job), asked))
    replace = any(each is not None and each[1] for each in found) and containers()
    return [
        job for job, each in zip(asked, found, strict=True) if each is None or (each[1] and replace)
    ]
