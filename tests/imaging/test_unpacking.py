from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from fargate_batch.errors import UserError
from imaging import unpacking

if TYPE_CHECKING:
    from pathlib import Path


def wheel(path: Path, members: dict[str, int]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in members.items():
            information = zipfile.ZipInfo(name)
            information.external_attr = mode << 16
            archive.writestr(information, name)
    return path


def test_files_stand_where_an_installer_puts_them(tmp_path: Path) -> None:
    made = wheel(
        tmp_path / "a.whl",
        {
            "one/__init__.py": 0o644,
            "one/tool.so": 0o755,
            "one/__pycache__/x.pyc": 0o644,
            "one-1.0.data/purelib/two.py": 0o644,
            "one-1.0.data/platlib/three.so": 0o644,
            "one-1.0.data/scripts/command": 0o755,
            "one-1.0.data/data/share/man/one.1": 0o644,
            "one-1.0.dist-info/METADATA": 0o644,
        },
    )
    with unpacking.entries([made], "site") as entries:
        found = {entry.name: entry for entry in entries}
        assert set(found) == {
            "site/one/__init__.py",
            "site/one/tool.so",
            "site/two.py",
            "site/three.so",
            "site/one-1.0.dist-info/METADATA",
        }
        assert [name for name, entry in found.items() if entry.executable] == ["site/one/tool.so"]
        with found["site/two.py"].open() as file:
            assert file.read() == b"one-1.0.data/purelib/two.py"


@pytest.mark.parametrize("name", ["../outside.py", "/etc/passwd", "a/../../b.py"])
def test_a_wheel_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    made = wheel(tmp_path / "a.whl", {name: 0o644})
    with pytest.raises(UserError, match="outside its own folder"), unpacking.entries([made], "s"):
        pass
