"""The three ways to make an image, and the choice between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fargate_batch.errors import UserError
from imaging import (
    assembly,
    cache,
    contents,
    dockerfile,
    manifests,
    preparation,
    references,
    sources,
    targets,
)
from imaging.engines import Engine, EngineError
from imaging.registry import base_images
from imaging.registry.base_images import BaseImage, BaseUnavailableError
from imaging.registry.sharing import Sharing

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.jobs import Job
    from imaging.layers import Layer
    from imaging.repositories import Access
    from imaging.targets import Target

Say = Callable[[str], None]


class Builder(Protocol):
    """Makes a job's image and pushes it."""

    def tag(self, job: Job) -> str:
        """The tag that it pushes the job's image under."""

    def make(self, job: Job, say: Say) -> None:
        """Do it; `say` is told each step.

        Raises:
            UserError: it cannot be done.
        """


class Lead:
    """Lets one go first and the others, all at once, after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The first to come goes at once; until one has succeeded they go one by one."""
        with self._lock:
            if not self._done:
                yield
                self._done = True
                return
        yield


@dataclass(frozen=True)
class WithEngine:
    """Builds by the stage's Dockerfile, in an engine."""

    access: Access
    engine: Engine
    lead: Lead = field(default_factory=Lead)

    def tag(self, job: Job) -> str:
        """See `Builder`."""
        return job.tag

    def make(self, job: Job, say: Say) -> None:
        """See `Builder`."""
        say("preparing layers")
        prepared = _prepared(job, targets.base())
        name, host = f"{job.uri}:{self.tag(job)}", job.repository.host
        # Engines do not know that two builds or pushes at once have layers in common, and make
        # them twice; after the first has gone through, the others find them.
        with cache.scratch() as context, self.lead.taken():
            _fill(context, job, prepared)
            say(f"building with {self.engine.name}")
            self.engine.build(context, name, _arguments(job))
            say(f"pushing to {host}")
            tls = self.access.scheme(host) == "https"
            self.engine.push(name, host, self.access.credentials, tls=tls)


@dataclass(frozen=True)
class Assembled:
    """Follows the stage's Dockerfile without an engine; base layers come from their registry."""

    access: Access
    bases: Callable[[str], BaseImage]
    sharing: Sharing = field(default_factory=Sharing)

    def tag(self, job: Job) -> str:
        """See `Builder`."""
        return job.tag

    def make(self, job: Job, say: Say) -> None:
        """See `Builder`."""
        recipe = dockerfile.interpret(job.sources.dockerfile, _arguments(job))
        base = self.bases(recipe.base)
        say("preparing layers")
        prepared = _prepared(job, targets.base())
        # Nobody here can run the base's Python.
        say("without an engine nothing is compiled ahead; tasks take longer to start")
        own = assembly.added_layers(recipe, job.sources, prepared)
        image = assembly.assemble(recipe, own, base.content)
        where = job.repository
        say(f"pushing to {where.host}")
        registry = self.access.connect(where.host)
        assembly.push_base(base, registry, where.repository, self.sharing)
        assembly.push(image, registry, where.repository, self.tag(job), self.sharing)


@dataclass(frozen=True)
class ForHost:
    """Makes an image without a base, for this machine's interpreter; it runs nowhere else."""

    access: Access
    sharing: Sharing = field(default_factory=Sharing)

    def tag(self, job: Job) -> str:
        """See `Builder`."""
        return job.host_tag

    def make(self, job: Job, say: Say) -> None:
        """See `Builder`."""
        recipe = dockerfile.interpret(job.sources.dockerfile, _arguments(job))
        target = targets.host()
        recipe.labels[targets.HOST_LABEL] = target.label
        say("preparing layers for this machine's Python")
        prepared = _prepared(job, target)
        own = assembly.added_layers(recipe, job.sources, prepared)
        own += preparation.for_host(job.sources, recipe, own, target)
        image = assembly.assemble(recipe, own, manifests.empty(target.architecture))
        where = job.repository
        say(f"pushing to {where.host}")
        registry = self.access.connect(where.host)
        assembly.push(image, registry, where.repository, self.tag(job), self.sharing)


def choose(
    base_image: str, engine: Engine | None, access: Access, hosts: set[str], say: Say
) -> Builder:
    """An engine when one answers and has the base; else assembly; else, on loopback, host images.

    Args:
        base_image: what the images stand on.
        engine: the engine that answers.
        access: how to get into the registries that the images go to.
        hosts: those registries.
        say: told why there will be host images.

    Raises:
        UserError: the base cannot be had and a registry is not on this machine.
    """
    reasons = []
    if engine is not None:
        try:
            _provide(engine, base_image)
        except BaseUnavailableError as error:
            reasons.append(str(error))
        else:
            return WithEngine(access, engine)
    try:
        first = base_images.read(base_image)
    except BaseUnavailableError as error:
        reasons.append(str(error))
    else:
        return Assembled(
            access, lambda name: first if name == base_image else base_images.read(name)
        )
    if all(references.is_loopback(host) for host in hosts):
        say("\n".join(reasons))
        say("images are made for this machine's Python instead; tasks run as processes")
        return ForHost(access)
    raise UserError(
        "\n".join(reasons) + "\nAn image without its base is for a registry on this machine only. "
        "Make the base's registry reachable, start an engine that holds the base, or name another "
        "base_image in config/config.yaml."
    )


def holds_base(engine: Engine | None, base_image: str) -> bool:
    """Whether images with a base can be made without asking any registry."""
    return engine is not None and engine.has(base_image)


def _provide(engine: Engine, base_image: str) -> None:
    if not engine.has(base_image):
        try:
            engine.pull(base_image)
        except EngineError as error:
            raise BaseUnavailableError(str(error)) from error
    base_images.check_python(base_image, engine.python_version(base_image))


def _arguments(job: Job) -> dict[str, str]:
    return {"BASE_IMAGE": job.base_image, "STAGE": job.stage}


def _prepared(job: Job, target: Target) -> dict[str, Layer]:
    prepared = contents.prepare(job.sources, target)
    # The tag stands for ever in an immutable repository, so it must be that of what was read.
    if sources.tag(job.sources, job.base_image) != job.tag:
        raise UserError(f"The sources of {job.stage} changed while it was built; launch again.")
    return prepared


def _fill(context: Path, job: Job, prepared: dict[str, Layer]) -> None:
    (context / "Dockerfile").write_bytes(job.sources.dockerfile.read_bytes())
    for name, layer in prepared.items():
        (context / name).hardlink_to(layer.path)
    for name, content in sources.files_of(job.sources.files).items():
        copy = context / job.sources.files.name / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
