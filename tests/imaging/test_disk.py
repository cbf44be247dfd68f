from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch.errors import UserError
from imaging import disk

if TYPE_CHECKING:
    from pathlib import Path


def test_enough_room_is_fine(tmp_path: Path) -> None:
    disk.check([tmp_path], needed=1)


def test_too_little_room_names_the_place_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path} has .* GB free and about .* XDG_CACHE_HOME"):
        disk.check([tmp_path], needed=1 << 60)
