"""`python -m imaging lock` and `python -m imaging pin-base`."""

from __future__ import annotations

from pathlib import Path

import click

from fargate_batch.errors import UserError
from imaging import locks

PROJECT = Path(__file__).parents[1]


@click.group()
def main() -> None:
    """What is done to the images by hand."""


@main.command()
def lock() -> None:
    """Resolve every images/*/requirements.in into the lock beside it."""
    for path in locks.compile_all(PROJECT):
        click.echo(path.relative_to(PROJECT))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None
