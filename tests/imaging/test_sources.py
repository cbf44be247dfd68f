from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fargate_batch.errors import UserError
from imaging import sources

if TYPE_CHECKING:
    import random
    from pathlib import Path

names = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.(py|html|json)", fullmatch=True)


@given(
    files=st.dictionaries(names, st.binary(max_size=64), max_size=8),
    seed=st.randoms(use_true_random=False),
    times=st.integers(min_value=0, max_value=2_000_000_000),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_hash_ignores_the_order_of_writing_times_and_modes(
    files: dict[str, bytes],
    seed: random.Random,
    times: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    first, second = (tmp_path_factory.mktemp("folder") for _ in range(2))
    _write(first, list(files.items()))
    shuffled = list(files.items())
    seed.shuffle(shuffled)
    for path in _write(second, shuffled):
        path.chmod(0o755)
        os.utime(path, (times, times))
    assert sources.digest_of(sources.files_of(first)) == sources.digest_of(sources.files_of(second))


@given(
    files=st.dictionaries(names, st.binary(max_size=64), min_size=1, max_size=6),
    data=st.data(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_hash_changes_with_any_content(
    files: dict[str, bytes], data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("folder")
    paths = _write(folder, list(files.items()))
    before = sources.digest_of(sources.files_of(folder))
    changed = data.draw(st.sampled_from(paths))
    changed.write_bytes(changed.read_bytes() + b"x")
    assert sources.digest_of(sources.files_of(folder)) != before


def _write(folder: Path, files: list[tuple[str, bytes]]) -> list[Path]:
    written = []
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)
    return written


@pytest.mark.parametrize(
    "leftover",
    ["__pycache__/a.cpython-311.pyc", "a.pyc", ".DS_Store", "__init__.py~", ".ruff_cache/x/y"],
)
def test_caches_bytecode_and_hidden_files_are_not_sources(project: Any, leftover: str) -> None:
    before = project.tags()
    project.write(f"risk-calculation/risk_calculation/{leftover}", "left behind")
    assert project.tags() == before


def test_a_renamed_file_is_a_change(project: Any) -> None:
    path = project.write("risk-calculation/risk_calculation/one.py", "x = 1\n")
    before = project.tags()
    path.rename(path.with_name("two.py"))
    assert project.tags() != before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("risk-calculation/risk_calculation/__init__.py", {"risk-calculation"}),
        ("risk-calculation/requirements.lock", {"risk-calculation"}),
        ("risk-calculation/files/table.csv", {"risk-calculation"}),
        ("risk-calculation/Dockerfile", {"risk-calculation"}),
        ("data-ingestion/data_ingestion/new.py", {"data-ingestion"}),
        ("common/batchkit/__init__.py", {"data-ingestion", "risk-calculation"}),
        ("common/requirements.lock", {"data-ingestion", "risk-calculation"}),
        ("Dockerfile", {"data-ingestion", "risk-calculation"}),
        ("risk-calculation/README.md", set()),
        ("risk-calculation/requirements.in", set()),
    ],
)
def test_a_change_changes_the_tags_of_exactly_the_stages_it_goes_into(
    project: Any, changed: str, expected: set[str]
) -> None:
    before = project.tags()
    project.write(changed, "changed\n")
    after = project.tags()
    assert {stage for stage in after if after[stage] != before[stage]} == expected


def test_another_base_image_is_another_tag(project: Any) -> None:
    one, other = project.tags("base:1"), project.tags("base:2")
    assert all(one[stage] != other[stage] for stage in one)


def test_tags_are_what_registries_take(project: Any) -> None:
    tag = project.tags()["data-ingestion"]
    assert re.fullmatch("[0-9a-f]{32}", tag)
    host = sources.host_tag(tag)
    assert host.startswith(f"{tag}-host-cpython-3")
    assert re.fullmatch(r"\w[\w.-]{0,127}", host)


@pytest.mark.parametrize(
    ("missing", "way_out"),
    [
        ("Dockerfile", "needs images/Dockerfile"),
        ("data-ingestion/requirements.lock", "make lock-images"),
        ("common/requirements.lock", "make lock-images"),
    ],
)
def test_a_missing_source_is_named(project: Any, missing: str, way_out: str) -> None:
    (project.folder / "images" / missing).unlink()
    with pytest.raises(UserError, match=way_out):
        project.sources("data-ingestion")


def test_a_stage_without_a_package_is_named(project: Any) -> None:
    with pytest.raises(UserError, match="images/new-stage/new_stage, which is missing"):
        project.sources("new-stage")
