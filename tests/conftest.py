"""Options that belong to the whole suite; pytest takes them from the root's conftest only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--environment",
        default=None,
        help="test this launched environment on whatever AWS the credentials point to; "
        "without it the integration tests launch dev on a local AWS of their own",
    )
