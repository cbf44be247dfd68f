from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from chaos import files

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.files import Input


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Input:
    folder: Path = tmp_path_factory.mktemp("given")
    return files.make(1, folder, contents_wanted=3)


def source() -> random.Random:
    return random.Random(5)  # noqa: S311 - a drill, no secret


def test_the_same_seed_makes_the_same_files(given: Input, tmp_path: Path) -> None:
    assert files.make(1, tmp_path, contents_wanted=3) == given
    once, again = (list(given.files(source(), 50, "x")) for _ in range(2))
    assert once == again


def test_contents_differ_and_share_their_market(given: Input) -> None:
    assert len(set(given.contents)) == 3
    assert given.market_data_key == "market-data/2026-01-30.csv"


def test_some_files_are_unreadable_and_keys_are_all_different(given: Input) -> None:
    made = list(given.files(source(), 400, "x"))
    assert len({file.key for file in made}) == 400
    unreadable = [file for file in made if file.content is None]
    assert 8 <= len(unreadable) <= 40
    assert {file.key.rsplit(".", 1)[-1] for file in unreadable} == {"csv", "gz", "parquet"}
    assert any(" " in file.key and "+" in file.key for file in made)
    for file in made:
        if file.content is not None:
            assert file.body == given.contents[file.content]
