from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from imaging import targets, wheels

if TYPE_CHECKING:
    from pathlib import Path


def lock(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("".join(lines))
    return path


def test_the_locked_wheels_come_from_where_pip_is_configured_to_look(
    tmp_path: Path, wheelhouse: Any
) -> None:
    path = lock(tmp_path, wheelhouse.add("one", "1.0", {}), wheelhouse.add("two", "2.0", {}))
    found = wheels.gather(path, targets.host())
    assert [wheel.name for wheel in found] == [
        "one-1.0-py3-none-any.whl",
        "two-2.0-py3-none-any.whl",
    ]


def test_wheels_fit_the_target_rather_than_this_interpreter(
    tmp_path: Path, wheelhouse: Any
) -> None:
    right = wheelhouse.add("native", "1.0", {}, tag="cp313-cp313-manylinux_2_28_x86_64")
    wheelhouse.add("native", "1.0", {}, tag="cp313-cp313-win_amd64")
    (found,) = wheels.gather(lock(tmp_path, right), targets.base())
    assert found.name == "native-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, wheelhouse: Any) -> None:
    path = lock(tmp_path, wheelhouse.add("one", "1.0", {}))
    wheelhouse.add("one", "1.0", {"one.py": "changed = True\n"})
    with pytest.raises(UserError, match=r"(?s)cannot fetch the wheels.*[Hh][Aa][Ss][Hh]"):
        wheels.gather(path, targets.host())


def test_a_library_without_a_wheel_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, wheelhouse: Any, cache_folder: Path
) -> None:
    line = wheelhouse.add("native", "1.0", {}, tag="cp313-cp313-win_amd64")
    with pytest.raises(UserError, match=r"(?s)for cpython-313-linux_x86_64.*requirements\.in"):
        wheels.gather(lock(tmp_path, line), targets.base())
    assert [path for path in (cache_folder / "wheels").iterdir() if path.is_dir()] == []


def test_wheels_are_fetched_once_even_when_many_ask(
    tmp_path: Path, wheelhouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lock(tmp_path, wheelhouse.add("one", "1.0", {}))
    calls: list[int] = []
    download = wheels._download

    def counted(*arguments: Any) -> None:
        calls.append(threading.get_ident())
        download(*arguments)

    monkeypatch.setattr(wheels, "_download", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: wheels.gather(path, targets.host()), range(8)))
    assert len(calls) == 1
    assert all(each == found[0] for each in found)


def test_an_empty_lock_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "_download", lambda *_: pytest.fail("pip was asked"))
    assert wheels.gather(lock(tmp_path), targets.host()) == []


def test_without_pip_the_way_out_is_named(
    tmp_path: Path, wheelhouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="ensurepip"):
        wheels.gather(lock(tmp_path, wheelhouse.add("one", "1.0", {})), targets.host())
