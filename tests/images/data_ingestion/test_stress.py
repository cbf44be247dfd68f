from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import polars as pl
import pytest
from batchkit.errors import BadEnvironmentError
from data_ingestion.stress import applied, read

if TYPE_CHECKING:
    from pathlib import Path

ONE = '[[scenario]]\nname = "one"\n'
FACTORS = (
    ("EQ", "ACME"),
    ("EQ", "ZENITH"),
    ("FX", "EURUSD"),
    ("FX", "JPYUSD"),
    ("RATE", "EUR-OIS"),
    ("RATE", "EUR-GOV"),
    ("RATE", "USD-OIS"),
    ("RATE", "ACME-DIV"),
    ("VOL", "ACME"),
)


def shocks(path: Path, text: str, base_currency: str = "USD") -> dict[str, float]:
    """Each factor's shock of the one scenario in a file."""
    path.write_text(text, encoding="utf-8")
    frame = pl.DataFrame(FACTORS, schema=["factor_type", "factor_id"], orient="row")
    found = applied(frame, base_currency, read(path)).to_list()
    assert all(len(shock) == 1 for shock in found)
    return {f"{kind} {name}": shock[0] for (kind, name), shock in zip(FACTORS, found, strict=True)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stress.toml"


def test_what_a_scenario_does_not_say_stays_as_it_is(path: Path) -> None:
    found = shocks(path, '[[scenario]]\nname = "calm"')
    assert found == {name: 0.0 if name.startswith("RATE") else 1.0 for name in found}


def test_each_kind_of_factor_moves_by_its_own_field(path: Path) -> None:
    found = shocks(
        path,
        """
        [[scenario]]
        name = "all"
        equity_percent = -20
        volatility_percent = 50
        fx_percent = 10
        rates_bp = 100
        dividends_bp = -25
        """,
    )
    assert found == pytest.approx(
        {
            "EQ ACME": 0.8,
            "EQ ZENITH": 0.8,
            "FX EURUSD": 1.1,
            "FX JPYUSD": 1.1,
            "RATE EUR-OIS": 0.01,
            "RATE EUR-GOV": 0.01,
            "RATE USD-OIS": 0.01,
            "RATE ACME-DIV": -0.0025,
            "VOL ACME": 1.5,
        },
        rel=1e-15,
    )


def test_a_currency_overrides_all_and_a_factor_overrides_its_currency(path: Path) -> None:
    found = shocks(
        path,
        """
        [[scenario]]
        name = "crisis"
        equity_percent = -20
        fx_percent = -10
        rates_bp = 50
        [scenario.currencies.EUR]
        rates_bp = -100
        [scenario.currencies.JPY]
        fx_percent = 25
        [scenario.factors.EUR-GOV]
        rates_bp = -70
        [scenario.factors.ACME]
        equity_percent = -60
        volatility_percent = 300
        [scenario.factors.EURUSD]
        fx_percent = 1
        [scenario.factors.ACME-DIV]
        dividends_bp = -200
        """,
    )
    assert found == pytest.approx(
        {
            "EQ ACME": 0.4,
            "EQ ZENITH": 0.8,
            "FX EURUSD": 1.01,
            "FX JPYUSD": 1.25,
            "RATE EUR-OIS": -0.01,
            "RATE EUR-GOV": -0.007,
            "RATE USD-OIS": 0.005,
            "RATE ACME-DIV": -0.02,
            "VOL ACME": 4.0,
        },
        rel=1e-15,
    )


def test_moves_quoted_in_another_currency_are_crossed_into_the_base_currency(path: Path) -> None:
    text = """
    [[scenario]]
    name = "dollar"
    quoted_in = "USD"
    fx_percent = -20
    [scenario.currencies.JPY]
    fx_percent = 20
    """
    in_dollars = shocks(path, text)
    assert in_dollars["FX EURUSD"] == pytest.approx(0.8)
    assert in_dollars["FX JPYUSD"] == pytest.approx(1.2)
    path.write_text(text, encoding="utf-8")
    pairs = pl.DataFrame({"factor_type": ["FX", "FX"], "factor_id": ["USDEUR", "JPYEUR"]})
    in_euros = [shock[0] for shock in applied(pairs, "EUR", read(path))]
    assert in_euros == pytest.approx([1 / 0.8, 1.2 / 0.8])


def test_a_currency_cannot_move_against_itself(path: Path) -> None:
    text = '[[scenario]]\nname = "odd"\n[scenario.currencies.USD]\nfx_percent = 5\n'
    with pytest.raises(BadEnvironmentError, match=r"'odd', currencies.USD: .* quoted in USD"):
        shocks(path, text)


def test_a_share_without_a_volatility_may_have_a_move_of_one(path: Path) -> None:
    text = ONE + "[scenario.factors.ZENITH]\nvolatility_percent = 10\n"
    assert shocks(path, text)["EQ ZENITH"] == 1


def test_a_factor_that_the_market_data_lacks_is_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        shocks(path, '[[scenario]]\nname = "slip"\n[scenario.factors.ACNE]\nequity_percent = -5\n')
    assert "scenario 'slip': the market data has no factors ACNE." in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[scenario]\n", r"stress.toml is no TOML file: .*line 1"),
        ('title = "x"\n', r"stress.toml may hold \[\[scenario\]\] tables only, and it has title"),
        ('scenario = ["one"]\n', r"stress.toml may hold \[\[scenario\]\] tables only\."),
        ("[[scenario]]\nrates_bp = 1\n", "scenario number 1: its name must be text"),
        (ONE + ONE, "more than one scenario 'one'"),
        (ONE + "rates = 100\n", "scenario 'one': rates is not one of equity_percent, .*rates_bp"),
        (ONE + 'rates_bp = "100"\n', "scenario 'one': rates_bp must be a number, and is '100'"),
        (ONE + "rates_bp = true\n", "scenario 'one': rates_bp must be a number, and is True"),
        (ONE + "rates_bp = inf\n", "scenario 'one': rates_bp must be a number, and is inf"),
        (ONE + "equity_percent = -100\n", "equity_percent is -100; nothing can fall by 100%"),
        (ONE + 'quoted_in = "dollar"\n', "scenario 'one': quoted_in must be a currency"),
        (ONE + "[scenario.currencies.usd]\nrates_bp = 1\n", "must be a currency .* is 'usd'"),
        (
            ONE + "[scenario.factors.ACME-DIV]\nrates_bp = 1\n",
            "'one', factors.ACME-DIV: rates_bp does not move it, but dividends_bp would",
        ),
        (
            ONE + "[scenario.factors.EURUSD]\nequity_percent = 1\n",
            "'one', factors.EURUSD: equity_percent does not move it, but fx_percent would",
        ),
        (
            ONE + "[scenario.factors.EUR-OIS]\nrates_bp = 1\ndividends_bp = 1\n",
            "'one', factors.EUR-OIS: dividends_bp does not move it, but rates_bp would",
        ),
        (
            ONE + "[scenario.factors.ACME]\nfx_percent = 1\n",
            "fx_percent does not move it, but equity_percent and volatility_percent would",
        ),
        (ONE + "currencies = 3\n", r"currencies must hold tables such as \[scenario.currencies"),
        (ONE + "[scenario.factors]\nACME = -20\n", r"factors must hold tables such as"),
        (
            ONE + "[scenario.currencies.EUR]\nequity_percent = 1\n",
            "scenario 'one', currencies.EUR: equity_percent is not one of fx_percent, rates_bp",
        ),
        (
            ONE + "[scenario.factors.ACME]\nequity_percent = -120\n",
            "scenario 'one', factors.ACME: equity_percent is -120",
        ),
    ],
)
def test_a_mistake_is_said_with_file_scenario_and_field(
    path: Path, text: str, message: str
) -> None:
    with pytest.raises(BadEnvironmentError, match=message):
        shocks(path, text)


def test_a_file_without_scenarios_makes_none(path: Path) -> None:
    path.write_text("# nothing\n", encoding="utf-8")
    assert read(path) == []


def test_the_projects_own_file_has_the_crises_and_the_plain_moves() -> None:
    assert [scenario.name for scenario in read()] == [
        "2008",
        "2020",
        "Rates +100 bp",
        "Rates -100 bp",
        "FX +10%",
        "FX -10%",
        "Equity -20%",
    ]


@pytest.mark.parametrize("base_currency", ["USD", "EUR", "GBP", "CHF"])
def test_the_projects_own_file_serves_any_base_currency(base_currency: str) -> None:
    pairs = [code + base_currency for code in ("EUR", "GBP", "JPY", "USD") if code != base_currency]
    frame = pl.DataFrame({"factor_type": ["FX"] * len(pairs), "factor_id": pairs})
    for moves in applied(frame, base_currency, read()):
        assert all(0.5 < ratio < 2 for ratio in moves)
