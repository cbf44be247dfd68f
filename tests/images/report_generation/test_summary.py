from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import report_generation

from tests.images.report_generation.conftest import LEVELS, NASTY

if TYPE_CHECKING:
    from decimal import Decimal

SCHEMA = json.loads(
    Path(report_generation.__file__).with_name("summary.schema.json").read_text(encoding="utf-8")
)


def test_it_is_what_its_schema_describes(summary: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(json.dumps(summary)), SCHEMA)


def test_an_undescribed_field_is_noticed(summary: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**summary, "more": 1}, SCHEMA)


def test_the_portfolio_is_the_sum_of_its_books(
    summary: dict[str, Any], losses: dict[str, list[Decimal]]
) -> None:
    assert [row["book"] for row in summary["books"]] == list(losses)
    for place, risk in enumerate(summary["risk"]):
        assert risk["level"] == float(LEVELS[place])
        parts = [book["risk"][place]["component_es"] for book in summary["books"]]
        assert sum(parts) == pytest.approx(risk["es"], abs=1e-5)
    alone, hedge, nothing = (book["risk"][2] for book in summary["books"])
    # The hedge takes a fifth of what the first book may lose.
    assert summary["risk"][2]["var"] == pytest.approx(0.8 * alone["var"])
    assert hedge["component_es"] == pytest.approx(-0.2 * alone["component_es"])
    assert summary["books"][2]["book"] == NASTY
    assert nothing == {"level": 0.99, "var": 0.0, "es": 0.0, "component_es": 0.0}
    assert "-0" not in json.dumps(nothing)


def test_the_worst_scenarios_come_first(summary: dict[str, Any]) -> None:
    pnl = [row["pnl"] for row in summary["worst_scenarios"]]
    assert len(pnl) == 10
    assert pnl == sorted(pnl)
    assert -pnl[2] == summary["risk"][2]["var"]
