"""`python -m local up | down | env | logs`."""

# ruff: noqa: T201 - printing is what a command does

from __future__ import annotations

import argparse
import shlex
import sys
import time
from typing import Final

from local import process
from local.location import (
    Directory,
    SettingError,
    default_directory,
    default_port,
    endpoint,
    environment,
    port_number,
)

_POLL_SECONDS: Final = 0.2


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    directory = default_directory()
    try:
        code: int = options.run(directory, options)
    except (process.LocalAwsError, SettingError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="The local AWS.")
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="start it in the background")
    up.set_defaults(run=_up)
    up.add_argument("--port", help="default: LOCAL_AWS_PORT, else 4566")
    up.add_argument(
        "--persist",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep everything in .local/state from one start to the next (default)",
    )
    commands.add_parser("down", help="stop it").set_defaults(run=_down)
    commands.add_parser(
        "env", help="print the exports that point an AWS SDK, the AWS CLI and Sceptre at it"
    ).set_defaults(run=_env)
    logs = commands.add_parser("logs", help="print what it logged")
    logs.set_defaults(run=_logs)
    logs.add_argument("-f", "--follow", action="store_true")
    return parser


def _up(directory: Directory, options: argparse.Namespace) -> int:
    port = default_port() if options.port is None else port_number(options.port, "--port")
    running = process.find(directory)
    if running is not None:
        if options.port is not None and port != running.port:
            raise process.LocalAwsError(
                f"The local AWS is up on port {running.port} already; "
                "to move it: python -m local down"
            )
        print(f"The local AWS is up already: {endpoint(running.port)}")
        return 0
    started = time.monotonic()
    running = process.start(directory, port, persist=options.persist)
    seconds = time.monotonic() - started
    print(f"The local AWS is up after {seconds:.1f} s: {endpoint(running.port)}")
    print(f"{running.runner[0].upper()}{running.runner[1:]}.")
    return 0


def _down(directory: Directory, _options: argparse.Namespace) -> int:
    stopped = process.stop(directory)
    print("The local AWS is down." if stopped else "The local AWS was not up.")
    return 0


def _env(directory: Directory, _options: argparse.Namespace) -> int:
    running = process.find(directory)
    port = running.port if running else default_port()
    for name, value in environment(port).items():
        print(f"export {name}={shlex.quote(value)}")
    # Either of them would win over what is exported above, or be sent along with it.
    print("unset AWS_PROFILE AWS_SESSION_TOKEN")
    return 0


def _logs(directory: Directory, options: argparse.Namespace) -> int:
    if not directory.log.exists():
        raise process.LocalAwsError("There is no log yet; start it with: python -m local up")
    with directory.log.open(errors="replace") as log:
        while True:
            chunk = log.read()
            if chunk:
                print(chunk, end="", flush=True)
            elif not options.follow:
                return 0
            else:
                time.sleep(_POLL_SECONDS)
