"""`python -m imaging`: what is done to the images apart from `sceptre launch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from fargate_batch import project
from fargate_batch.aws_errors import explained
from fargate_batch.environment import find_environment
from fargate_batch.errors import UserError
from fargate_batch.names import StageOutput
from imaging import locks, pinning, pushing
from imaging.jobs import Wanted

if TYPE_CHECKING:
    from imaging.engines import Choice

ROOT: Final = Path(__file__).parents[1]


@click.group()
def main() -> None:
    """What is done to the images apart from `sceptre launch`."""


@main.command()
@click.option("--upgrade", is_flag=True, help="Take newer versions of what is locked already.")
def lock(*, upgrade: bool) -> None:
    """Resolve every images/*/requirements.in into the lock beside it."""
    for path in locks.compile_all(ROOT, upgrade=upgrade):
        click.echo(path.relative_to(ROOT))


@main.command()
def pin_base() -> None:
    """Pin the base image in config/config.yaml to the digest that its tag has today."""
    click.echo(pinning.pin(ROOT / "config" / "config.yaml"))


@main.command()
@click.argument("environment")
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "podman", "none"]),
    default="auto",
    help="What builds; auto is whichever answers.",
)
def push(environment: str, engine: Choice) -> None:
    """Push the images that ENVIRONMENT's registry lacks, as !image_push does in a launch.

    The task definitions follow with the next `sceptre launch`.
    """
    root = project.find_project()
    launched = find_environment(root, environment)
    stages = [stage.name for stage in launched.settings.stages]
    wanted = Wanted(
        root,
        pushing.base_image(launched.settings.base_image),
        {stage: launched.of(stage, StageOutput.REPOSITORY_URI) for stage in stages},
    )
    try:
        pushing.push_changed(
            wanted,
            launched.client("ecr"),
            engine,
            lambda who, step: click.echo(f"{who}: {step}"),
        )
    except (ClientError, BotoCoreError) as error:
        raise UserError(
            f"{environment}: the images cannot be pushed. {explained(error)}"
        ) from error


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"{error}") from None
