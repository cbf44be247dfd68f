from __future__ import annotations

import importlib.metadata

import pytest

from local import extensions, symbols
from local.symbols import IncompatibleMiniStackError, Symbol, check


@pytest.mark.parametrize("symbol", extensions.SYMBOLS, ids=str)
def test_ministack_has_every_symbol_as_expected(symbol: Symbol) -> None:
    assert symbol.problem() is None


def test_the_pinned_version_is_the_one_that_is_checked() -> None:
    assert importlib.metadata.version("ministack") == symbols.MINISTACK_VERSION


def test_every_problem_is_named() -> None:
    with pytest.raises(IncompatibleMiniStackError) as caught:
        check(
            [
                Symbol("services.ecs", "_no_such_thing"),
                Symbol("services.no_such_module", "thing"),
                Symbol("services.ecs", "_run_task", ("request",)),
                Symbol("services.ecs", "_tasks", ()),
            ]
        )
    message = str(caught.value)
    assert "ministack.services.ecs._no_such_thing does not exist" in message
    assert "ministack.services.no_such_module.thing does not exist" in message
    assert "ministack.services.ecs._run_task takes (data), not (request)" in message
    assert "ministack.services.ecs._tasks is not a function" in message


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "9.9.9")
    with pytest.raises(IncompatibleMiniStackError, match=r"version 9\.9\.9 is installed"):
        check([])
