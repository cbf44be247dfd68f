from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fargate_batch.errors import UserError
from imaging import locks, targets

if TYPE_CHECKING:
    from tests.imaging.small_project import Wheelhouse

HASH = "sha256:" + "a" * 64
SPLIT = f"""\
# a comment
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash={HASH} \\
    --hash=sha256:{"b" * 64}
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash={HASH}
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash={HASH}
Jinja2==3.1.6 \\
    --hash={HASH}
"""
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(SPLIT)
    return path


def test_markers_are_evaluated_for_the_target_and_not_for_this_interpreter(lock: Path) -> None:
    base = targets.base()
    older = dataclasses.replace(base, markers={**base.markers, "python_full_version": "3.11.0"})
    assert [entry.line for entry in locks.needed(lock, base)] == [
        f"numpy==2.5.5 --hash={HASH}",
        f"jinja2==3.1.6 --hash={HASH}",
    ]
    assert locks.needed(lock, older)[0].line.startswith("numpy==2.4.6 --hash=")


def test_every_hash_is_kept(lock: Path) -> None:
    assert locks.read(lock)[0].hashes == (HASH, "sha256:" + "b" * 64)


@pytest.mark.parametrize("line", ["numpy==1.0", f"numpy>=1.0 --hash={HASH}", "numpy"])
def test_an_entry_without_pin_or_hash_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"not pinned with a hash; `make lock-images` does so"):
        locks.read(path)


def test_a_line_that_is_no_requirement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("-r other.txt\n")
    with pytest.raises(UserError, match="is no requirement"):
        locks.read(path)


def test_the_project_s_stages_lock_only_what_they_add() -> None:
    common = {entry.name for entry in locks.read(PROJECT / "images/common/requirements.lock")}
    assert {"boto3", "polars"} <= common
    for path in sorted((PROJECT / "images").glob("*/requirements.lock")):
        names = {entry.name for entry in locks.read(path)}
        assert path.parent.name == "common" or not names & common


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_project_s_locks_name_each_library_once_for_every_python(python: str) -> None:
    base = targets.base()
    markers = {**base.markers, "python_version": python, "python_full_version": f"{python}.0"}
    target = dataclasses.replace(base, markers=markers)
    for path in sorted((PROJECT / "images").glob("*/requirements.lock")):
        names = [entry.name for entry in locks.needed(path, target)]
        assert len(names) == len(set(names))


def test_stages_are_resolved_under_the_common_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path | None]] = []

    def resolve(
        _project: Path, source: Path, *, constraint: Path | None = None, upgrade: bool
    ) -> str:
        assert not upgrade
        asked.append((source.parent.name, constraint))
        common = f"boto3==1 \\\n    --hash={HASH}\n"
        return common if constraint is None else f"{common}numpy==2 \\\n    --hash={HASH}\n"

    for name in ("common", "risk-calculation"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "requirements.in").write_text("boto3\n")
    monkeypatch.setattr(locks, "_resolve", resolve)
    common_lock, stage_lock = locks.compile_all(tmp_path)
    assert asked == [("common", None), ("risk-calculation", common_lock)]
    assert [entry.name for entry in locks.read(common_lock)] == ["boto3"]
    assert [entry.name for entry in locks.read(stage_lock)] == ["numpy"]


def test_what_cannot_be_resolved_is_named_with_the_resolver_s_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    (tmp_path / "images/common").mkdir(parents=True)
    (tmp_path / "images/common/requirements.in").write_text("no-such-library\n")
    with pytest.raises(UserError, match=r"(?s)images/common/requirements.in.*no-such-library"):
        locks.compile_all(tmp_path)


def test_a_newer_version_is_taken_only_when_asked_for(
    tmp_path: Path, wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheelhouse.folder))
    (tmp_path / "images/common").mkdir(parents=True)
    (tmp_path / "images/common/requirements.in").write_text("desk-library\n")

    def locked(*, upgrade: bool) -> str:
        (common,) = locks.compile_all(tmp_path, upgrade=upgrade)
        (entry,) = locks.read(common)
        return str(entry.requirement.specifier)

    wheelhouse.add("desk_library", "1.0", {"desk_library.py": ""})
    assert locked(upgrade=False) == "==1.0"
    wheelhouse.add("desk_library", "2.0", {"desk_library.py": ""})
    assert locked(upgrade=False) == "==1.0"
    assert locked(upgrade=True) == "==2.0"
