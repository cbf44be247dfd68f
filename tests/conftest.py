"""The whole suite's options, and that the environment of whoever runs it changes nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import settings

from local.location import past_proxies

if TYPE_CHECKING:
    import pytest

# Other tests run at the same time, so that how long one takes says nothing.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--environment",
        default=None,
        help="test this launched environment on whatever AWS the credentials point to; "
        "without it the integration tests launch dev on a local AWS of their own",
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(past_proxies())
    os.environ.pop("FORCE_COLOR", None)
    if config.getoption("environment") is None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
