from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from batchkit import prepare

COMMON = Path(prepare.__file__).parents[1]


def run(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchkit.prepare"],
        env={
            "PYTHONPATH": f"{COMMON}:{tmp_path}",
            "STAGE": "line-count",
            "PREPARED": str(tmp_path / "prepared"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def stage(tmp_path: Path, preparing: str | None) -> None:
    package = tmp_path / "line_count"
    package.mkdir()
    (package / "__init__.py").touch()
    if preparing is not None:
        (package / "prepare.py").write_text(preparing)


def test_a_stage_makes_what_it_prepares_in_the_folder_of_the_image(tmp_path: Path) -> None:
    stage(tmp_path, "def prepare(folder):\n    (folder / 'kernel').write_text('made')\n")
    assert run(tmp_path).returncode == 0
    assert (tmp_path / "prepared" / "kernel").read_text() == "made"


def test_a_stage_that_prepares_nothing_leaves_no_folder(tmp_path: Path) -> None:
    stage(tmp_path, None)
    assert run(tmp_path).returncode == 0
    assert not (tmp_path / "prepared").exists()


def test_what_fails_fails_the_build(tmp_path: Path) -> None:
    stage(tmp_path, "def prepare(folder):\n    raise ValueError('no such kernel')\n")
    done = run(tmp_path)
    assert done.returncode != 0
    assert "no such kernel" in done.stderr


def test_a_mistake_in_what_users_edit_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    stage(
        tmp_path,
        "from batchkit.errors import BadEnvironmentError\n\n\n"
        "def prepare(folder):\n    raise BadEnvironmentError('stress.toml: a typo')\n",
    )
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (2, "stress.toml: a typo\n")
