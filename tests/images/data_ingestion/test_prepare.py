from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from batchkit.errors import BadEnvironmentError
from data_ingestion import prepare, stress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_projects_own_stress_file_is_right(tmp_path: Path) -> None:
    prepare.prepare(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_stress_file_fails_the_build_with_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "stress.toml"
    wrong.write_text('[[scenario]]\nname = "Typo"\nequity_percnt = -30\n')
    read: Callable[[Path], object] = stress.read
    monkeypatch.setattr(stress, "read", lambda: read(wrong))
    with pytest.raises(BadEnvironmentError, match=r"(?s)Typo.*equity_percnt"):
        prepare.prepare(tmp_path)
