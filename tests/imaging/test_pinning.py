from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fargate_batch.errors import UserError
from imaging import pinning

CONFIG = """\
# A comment.
environment: {{{{ stack_group_path }}}}
sceptre_user_data:
  base_image: {image}  # where it comes from
  stages: {{ a: 1 }}
"""


def test_the_digest_is_added_and_all_else_stays(tmp_path: Path, bases: Any) -> None:
    name = bases.push({"a": b"b"})
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(image=name))
    pinned = pinning.pin(path)
    assert pinned.startswith(f"{name}@sha256:")
    assert path.read_text() == CONFIG.format(image=pinned)


def test_pinning_again_asks_for_the_tag_and_not_for_the_old_digest(
    tmp_path: Path, bases: Any
) -> None:
    name = bases.push({"a": b"b"})
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(image=f"{name}@sha256:{'0' * 64}"))
    pinned = pinning.pin(path)
    assert "0" * 64 not in pinned
    assert pinning.pin(path) == pinned


def test_a_registry_that_cannot_be_asked_leaves_the_file_alone(
    tmp_path: Path, free_address: str
) -> None:
    path = tmp_path / "config.yaml"
    text = CONFIG.format(image=f"{free_address}/base:1")
    path.write_text(text)
    with pytest.raises(UserError, match="does not answer"):
        pinning.pin(path)
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["stages: 1\n", "base_image: a\nbase_image: b\n"])
def test_a_file_that_does_not_name_one_base_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="it needs one"):
        pinning.pin(path)


def test_the_project_s_config_can_be_pinned() -> None:
    config = Path(__file__).parents[2] / "config/config.yaml"
    assert len(list(pinning._LINE.finditer(config.read_text()))) == 1
