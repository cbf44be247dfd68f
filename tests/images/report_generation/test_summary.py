from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import report_generation

from tests.images.report_generation.conftest import BOOKS, NASTY, STRESS, Run, make_run

SCHEMA = json.loads(
    Path(report_generation.__file__).with_name("summary.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """A run with nothing but a short history and one book."""
    return make_run(days=300, draws=0, stress=(), books=("Only",)).results().summary


def test_it_is_what_its_schema_describes(summary: dict[str, Any], small: dict[str, Any]) -> None:
    for each in (summary, small):
        jsonschema.validate(json.loads(json.dumps(each)), SCHEMA)


@pytest.mark.parametrize("part", ["summary", "risk", "greeks", "stress"])
def test_an_undescribed_field_is_noticed(summary: dict[str, Any], part: str) -> None:
    copy = json.loads(json.dumps(summary))
    (copy if part == "summary" else copy[part][0])["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(copy, SCHEMA)


def test_the_portfolio_is_the_sum_of_its_books(summary: dict[str, Any]) -> None:
    for part in (summary, summary["monte_carlo"]):
        assert [row["book"] for row in part["books"]] == sorted(BOOKS)
        for place, risk in enumerate(part["risk"]):
            parts = [book["risk"][place]["component_es"] for book in part["books"]]
            assert sum(parts) == pytest.approx(risk["es"], abs=1e-5)
    assert summary["present_value"] == sum(book["present_value"] for book in summary["books"])


def test_each_simulation_is_looked_at_on_its_own(run: Run, summary: dict[str, Any]) -> None:
    losses = np.sum(list(run.figures().losses.values()), axis=0)
    for part, own in ((summary, losses[:520]), (summary["monte_carlo"], losses[520:2520])):
        for risk in part["risk"]:
            worst = np.sort(own)[::-1]
            size = len(own) * (1 - risk["level"])
            assert risk["rank"] == np.ceil(round(size, 9))
            assert risk["var"] == pytest.approx(worst[risk["rank"] - 1], rel=1e-12)
            whole = int(round(size, 9))
            es = (worst[:whole].sum() + (size - whole) * worst[whole]) / size
            assert risk["es"] == pytest.approx(es, rel=1e-12)


def test_horizons_scale_with_the_square_root_of_time(summary: dict[str, Any]) -> None:
    assert summary["horizons"] == {"days": [1, 10], "scaling": "square-root-of-time"}
    for risk in [*summary["risk"], *summary["monte_carlo"]["books"][0]["risk"]]:
        one, ten = risk["horizons"]
        assert (one["var"], one["es"]) == (risk["var"], risk["es"])
        assert ten["var"] == pytest.approx(10**0.5 * risk["var"])
        assert ten["es"] == pytest.approx(10**0.5 * risk["es"])


def test_a_book_without_risk_has_zeros(summary: dict[str, Any]) -> None:
    nothing = next(book for book in summary["books"] if book["book"] == NASTY)
    measures = ("var", "es", "component_es", "incremental_var")
    assert [nothing["risk"][2][name] for name in measures] == [0.0] * 4
    assert "-0.0" not in json.dumps(nothing)


def test_stress_scenarios_have_their_names_and_add_up(summary: dict[str, Any]) -> None:
    assert [row["name"] for row in summary["stress"]] == list(STRESS)
    for row in [*summary["stress"], *summary["worst_scenarios"]]:
        assert sum(book["pnl"] for book in row["books"]) == pytest.approx(row["pnl"])


def test_the_worst_scenarios_come_first(summary: dict[str, Any]) -> None:
    pnl = [row["pnl"] for row in summary["worst_scenarios"]]
    assert len(pnl) == 10
    assert pnl == sorted(pnl)
    risk = summary["risk"][2]
    assert -pnl[risk["rank"] - 1] == risk["var"]


def test_greeks_are_summed_over_books(summary: dict[str, Any]) -> None:
    found = {
        (row["sensitivity"], row["factor_id"], row["tenor"]): row["amount"]
        for row in summary["greeks"]
    }
    # Five books in two shards, one book in one.
    assert found["DV01", "USD-OIS", None] == -2000.0 * 11
    assert found["GIRR_DELTA", "USD-OIS", "10Y"] == -8e6 * 11
    assert found["THETA", None, None] == pytest.approx(-1234.5 * 11)


def test_the_backtest_is_at_99_percent_whatever_levels_are_asked_for(run: Run) -> None:
    results = run.results({"VAR_LEVELS": "0.9"})
    levels = results.summary["backtest"]["levels"]
    assert [row["level"] for row in results.summary["risk"]] == [0.9]
    assert [row["level"] for row in levels] == [0.9, 0.99]
    assert [row["days"] for row in levels] == [270, 270]
    for row in levels:
        assert all(-day["pnl"] > day["var"] for day in row["exceptions"])


def test_what_a_run_lacks_is_empty(small: dict[str, Any]) -> None:
    assert small["monte_carlo"] is None
    assert small["stress"] == []
    assert small["backtest"]["levels"][2]["tests"] is None
    assert "Too few days" in small["backtest"]["levels"][2]["note"]
    risk = small["books"][0]["risk"][2]
    assert risk["incremental_var"] == risk["var"] == small["risk"][2]["var"]
