"""The client that MiniStack's ECS talks to: it sends each container where its image can run."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from local.ecs.containers import CannotPullError
from local.location import Directory, endpoint
from local.runner import commands, images, processes, usage
from local.runner.processes import ProcessContainer
from local.symbols import Symbol

if TYPE_CHECKING:
    from pathlib import Path

    from local.runner.engine import Engine

_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (_GET_CLIENT,)

_log = logging.getLogger("local.runner")

_NANOSECONDS: Final = 1_000_000_000
_HEALTH: Final = {"starting": "UNKNOWN", "healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}
_NO_INIT: Final = "container-init binary not found"
_KEPT_SECONDS: Final = 60
"""For so long a container that has ended can be inspected and its output read."""


class NotFoundError(Exception):
    """No such container or image."""


class Runner:
    """Engine and processes behind the surface of Docker's SDK that MiniStack uses."""

    def __init__(self, engine: Engine | None, directory: Directory, port: int) -> None:
        self._engine = engine
        self._registry = f"localhost:{port}"
        self._port = port
        self._directory = directory
        self.containers = Containers(engine, directory, self._registry)
        self.images = Images(engine, self._registry)

    @property
    def description(self) -> str:
        """How tasks run, in one line."""
        if self._engine is not None:
            return (
                f"{self._engine.description} answers; tasks run as its containers, and as "
                "processes where an image was made without a base image"
            )
        if commands.can_change_root():
            return "no container engine answers; tasks run as processes made from the pushed layers"
        return (
            "no container engine answers; tasks run as processes made from the pushed layers, "
            "and images with a base image cannot run"
        )

    def install(self) -> None:
        """Become what ECS runs containers with."""
        _GET_CLIENT.set(lambda: self)

    def endpoint_for(self, reference: str) -> str:
        """Where a container made from this image reaches the API."""
        if self._engine is not None and not self.images.runs_as_process(reference):
            return f"http://{self._engine.host}:{self._port}"
        return endpoint(self._port)

    def ping(self) -> bool:
        """Whatever else fails, processes can be started."""
        return True

    def close(self) -> None:
        """End the processes; the containers of an engine are MiniStack's to remove.

        Unpacked images stay for the next start, unless their repository is gone.
        """
        for container in self.containers.processes():
            container.remove()
        images.remove_unused(self._directory.images)


class Images:
    """Images by reference."""

    def __init__(self, engine: Engine | None, registry: str) -> None:
        self._engine = engine
        self._registry = registry

    def runs_as_process(self, reference: str) -> bool:
        """Whether containers of this image are processes here, or fail to start."""
        if self._engine is None:
            return True
        try:
            image = images.find(reference, self._registry)
        except CannotPullError:
            return True
        return image is not None and image.host_python is not None

    def get(self, reference: str) -> Any:
        """Return the image.

        Raises:
            CannotPullError: there is none.
        """
        found = images.find(reference, self._registry)
        if found is not None:
            return Pulled(found.digest)
        if self._engine is None:
            raise CannotPullError(
                f"{reference}: not in this registry, and without a Docker engine no other is asked"
            )
        return self._engine.client.images.get(reference)

    def pull(self, reference: str, **options: Any) -> Any:
        """Return the image after fetching it, if it is not this registry's own.

        Raises:
            CannotPullError: there is none.
        """
        if self.runs_as_process(reference):
            return self.get(reference)
        assert self._engine is not None  # noqa: S101 - runs_as_process says so; for mypy
        import docker

        own = reference.startswith(f"{self._registry}/")
        pull = self._engine.pull_without_tls if own else self._engine.client.images.pull
        try:
            return pull(reference, **options)
        except docker.errors.APIError as error:
            raise CannotPullError(str(error)) from error

    def get_registry_data(self, reference: str, **_options: Any) -> Any:
        """Return something whose id is the manifest's digest.

        Raises:
            CannotPullError: there is no such image.
        """
        found = images.find(reference, self._registry)
        if found is not None:
            return Pulled(found.digest)
        if self._engine is None:
            raise CannotPullError(f"{reference}: not in this registry")
        return self._engine.client.images.get_registry_data(reference)


class Pulled:
    """An image that needs no pulling."""

    def __init__(self, digest: str) -> None:
        self.id = digest

    def tag(self, *_names: Any, **_options: Any) -> bool:
        """The registry knows its tags already."""
        return True


class Containers:
    """Containers by id, of both kinds."""

    def __init__(self, engine: Engine | None, directory: Directory, registry: str) -> None:
        self._engine = engine
        self._directory = directory
        self._registry = registry
        self._processes: dict[str, ProcessContainer] = {}

    def processes(self) -> list[ProcessContainer]:
        """Those that are processes and not yet removed."""
        return list(self._processes.values())

    def run(self, reference: str, **arguments: Any) -> Any:
        """Start a container.

        Raises:
            CannotPullError: there is no such image, or it cannot run here.
        """
        image = images.find(reference, self._registry)
        if self._engine is not None and (image is None or image.host_python is None):
            return self._run_in_engine(reference, arguments)
        if image is None:
            raise CannotPullError(
                f"{reference}: not in this registry, and without a Docker engine no other is asked"
            )
        return self._run_as_process(image, arguments)

    def _run_in_engine(self, reference: str, arguments: dict[str, Any]) -> Any:
        assert self._engine is not None  # noqa: S101 - its only caller asked; for mypy
        import docker

        if self._engine.host_network:
            arguments.pop("network", None)
            arguments.pop("extra_hosts", None)
            arguments["network_mode"] = "host"
        arguments["ulimits"] = [
            docker.types.Ulimit(name=name, soft=limit, hard=limit)
            for name, limit in self._engine.limits().items()
        ]
        try:
            if reference.startswith(f"{self._registry}/"):
                self._engine.need(reference, platform=arguments.get("platform"))
            return self._engine.client.containers.run(reference, **arguments)
        except docker.errors.ImageNotFound as error:
            raise CannotPullError(str(error)) from error
        except docker.errors.APIError as error:
            if "manifest" in str(error):
                raise CannotPullError(str(error)) from error
            if _NO_INIT in str(error) and arguments.pop("init", None):
                _log.warning("Podman misses catatonit, so %s has no init process", reference)
                return self._run_in_engine(reference, arguments)
            raise

    def _run_as_process(self, image: images.Image, arguments: dict[str, Any]) -> ProcessContainer:
        root = images.unpack(image, self._directory.images)
        # MiniStack's name holds a part of the task's id only, which two tasks may have in common.
        directory = self._directory.tasks / f"{arguments['name']}-{secrets.token_hex(4)}"
        directory.mkdir(parents=True)
        command = commands.build(image, root, directory, arguments)
        container = ProcessContainer(command, directory, arguments)
        self._processes[container.id] = container
        threading.Thread(target=self._forget, args=(container,), daemon=True).start()
        _log.info("%s runs as process %d in %s", arguments["name"], container.pid, directory)
        return container

    def _forget(self, container: ProcessContainer) -> None:
        """Nobody removes a container that ended by itself, so its directory goes after a while."""
        container.wait()
        time.sleep(_KEPT_SECONDS)
        container.remove()
        self._processes.pop(container.id, None)

    def get(self, container_id: str) -> Any:
        """Return a container.

        Raises:
            NotFoundError: there is none.
        """
        if container_id in self._processes:
            return self._processes[container_id]
        if self._engine is None or not container_id:
            raise NotFoundError(container_id)
        return self._engine.client.containers.get(container_id)

    def cpu_seconds(self, container_id: str) -> float | None:
        """How much CPU time a container has used; None when that cannot be measured."""
        if container_id in self._processes:
            return usage.cpu_seconds(self._processes[container_id].pid)
        if self._engine is None:
            return None
        import docker

        try:
            container = self._engine.client.containers.get(container_id)
            stats = container.stats(stream=False, one_shot=True)
        except docker.errors.APIError:
            return None  # it has ended meanwhile
        used: float = stats["cpu_stats"]["cpu_usage"]["total_usage"] / _NANOSECONDS
        return used

    def health(self, container_id: str) -> str | None:
        """HEALTHY, UNHEALTHY or UNKNOWN; None without a health check or when it has ended."""
        try:
            state = self.get(container_id).attrs["State"]
        except NotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - Docker's, which need not be installed
            _log.debug("Health of %s: %s", container_id[:12], error)
            return None
        status = (state.get("Health") or {}).get("Status")
        return _HEALTH.get(status) if status else None

    def list(self, **options: Any) -> list[Any]:
        """Return all of them."""
        others = self._engine.client.containers.list(**options) if self._engine else []
        return [*self._processes.values(), *others]


def clear(directory: Path) -> None:
    """End and delete what containers of an earlier run left behind.

    A server that is killed cannot end its processes, and they would go on with credentials that
    nobody knows any more.
    """
    for container in directory.glob("*"):
        processes.end_left_over(container)
    shutil.rmtree(directory, ignore_errors=True)
