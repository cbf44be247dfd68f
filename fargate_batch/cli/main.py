"""The commands of `batch` and how they exit; `options.EXIT_CODES` says with what."""

from __future__ import annotations

import sys

import click
from batchkit.errors import NotDeadError, UnknownRunError, UnknownStageError
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from sceptre.exceptions import SceptreException

from fargate_batch.aws_errors import explained
from fargate_batch.cli import analyst, operating
from fargate_batch.cli.following import NoProgressError
from fargate_batch.cli.options import EXIT_CODES, FAILED, NO_PROGRESS


@click.group(epilog=EXIT_CODES)
def batch() -> None:
    """Drop files into an environment, follow its runs, fetch their reports, see to what failed."""


for command in (
    analyst.submit,
    analyst.follow,
    analyst.report,
    operating.runs,
    operating.why,
    operating.logs,
    operating.redrive,
    operating.reconcile,
    operating.dead_letters,
):
    batch.add_command(command)


def main() -> None:
    """Run `batch`; an error that the user can mend is one message and exit code 1."""
    try:
        batch()
    except NoProgressError as error:
        click.echo(str(error), err=True)
        sys.exit(NO_PROGRESS)
    # Sceptre raises its own when a config cannot be read, and UserError is one of them.
    except (SceptreException, UnknownRunError, NotDeadError, UnknownStageError) as error:
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    except (ClientError, BotoCoreError) as error:
        click.echo(explained(error), err=True)
        sys.exit(FAILED)
    except Boto3Error as error:
        # boto3's transfers say by themselves what AWS refused.
        click.echo(str(error), err=True)
        sys.exit(FAILED)
    except OSError as error:
        click.echo(
            f"{error.filename}: {error.strerror}" if error.filename else str(error), err=True
        )
        sys.exit(FAILED)
