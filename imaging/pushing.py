"""Pushes the images of the stages that changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache as once
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging import builders, cache, disk, engines, jobs, repositories
from imaging.engines import Choice, Engine, EngineError
from imaging.registry.errors import RegistryError
from imaging.repositories import Access

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

    from imaging.builders import Builder
    from imaging.jobs import Job, Wanted

Progress = Callable[[str, str], None]
"""Told a stage's name and its step."""


BASE_IMAGE_VARIABLE: Final = "BASE_IMAGE"


def base_image(configured: str) -> str:
    """What images stand on: the settings' base image, unless BASE_IMAGE names another one."""
    return os.environ.get(BASE_IMAGE_VARIABLE) or configured


def push_changed(wanted: Wanted, ecr: ECRClient, choice: Choice, progress: Progress) -> list[str]:
    """Make and push the images that their repositories lack; return their stages.

    Nothing is built, and nobody but ECR is asked, when nothing is missing. What was done before an
    interruption is found and used again.

    Args:
        wanted: the images that there should be.
        ecr: the account's ECR.
        choice: which engine to use.
        progress: told each stage's steps.

    Raises:
        UserError: some image cannot be made or pushed; the others are finished first.
    """
    engine = once(lambda: engines.find(choice))
    todo = jobs.missing(
        ecr,
        jobs.of(wanted),
        containers=lambda: builders.holds_base(engine(), wanted.base_image),
    )
    if not todo:
        return []
    _check_room(engine())
    access = Access(ecr)
    builder = builders.choose(
        wanted.base_image,
        engine(),
        access,
        {job.repository.host for job in todo},
        lambda text: progress("all stages", text),
    )
    with ThreadPoolExecutor(max_workers=len(todo)) as pool:
        running = {pool.submit(_make, builder, job, ecr, progress): job.stage for job in todo}
        wait(running)
    _raise_failures(running)
    cache.forget_unused()
    return [job.stage for job in todo]


def _make(builder: Builder, job: Job, ecr: ECRClient, progress: Progress) -> None:
    began = time.monotonic()
    tag = builder.tag(job)
    try:
        builder.make(job, lambda step: progress(job.stage, step))
    except (EngineError, RegistryError):
        # Somebody else may have pushed the same content meanwhile: the tag is then taken, as it
        # should be. Another tag, as of the host image to be replaced, says nothing of this one.
        if not repositories.digests(ecr, job.repository.repository, [tag]):
            raise
    progress(job.stage, f"pushed {tag} in {time.monotonic() - began:.1f} s")


def _check_room(engine: Engine | None) -> None:
    storage = [engine.storage] if engine is not None and engine.storage is not None else []
    disk.check([cache.folder(), *storage])


def _raise_failures(finished: Mapping[Future[None], str]) -> None:
    texts, unexpected = [], None
    for future, stage in finished.items():
        error = future.exception()
        if isinstance(error, UserError):
            texts.append(f"{stage}: {error}")
        elif error is not None:
            unexpected = error
    if unexpected is not None:
        # A traceback tells of one stage only; the others' messages stand beneath it.
        for text in texts:
            unexpected.add_note(text)
        raise unexpected
    if texts:
        raise UserError("\n".join(texts))
