from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from batchkit.events import S3Event

if TYPE_CHECKING:
    from batchkit.stage import Context

    from tests.images.conftest import Place

STAGE = "data-ingestion"


@pytest.fixture
def event(place: Place) -> S3Event:
    return S3Event(place.input_bucket, "positions/a.csv", "v1")


def nothing(_event: S3Event, _context: Context) -> None:
    pass
