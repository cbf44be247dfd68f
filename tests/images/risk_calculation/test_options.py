"""Options against published numbers, QuantLib, and what must hold of any price."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types
import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody calls it
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_calculation.kernels import option_values

from tests.images.risk_calculation.conftest import (
    TODAY,
    Moves,
    calculated,
    moved,
    option,
    values,
)

VALUE, DELTA, GAMMA, VEGA = range(4)
IN_A_YEAR = TODAY + timedelta(days=365)


def priced(*arguments: Any) -> list[float]:
    """Value and Greeks of one option: spot, strike, years, rate, yield, volatility, sign."""
    column: list[float] = option_values(*(np.array([float(one)]) for one in arguments))[:, 0]
    return column


MARKET = ("years", "rate", "yields", "volatility", "sign")


def drawn(count: int) -> dict[str, np.ndarray]:
    source = np.random.default_rng(3)
    return {
        "spot": source.uniform(0.01, 5000, count),
        "moneyness": np.exp(source.normal(0, 0.5, count)),
        "years": source.uniform(1 / 365, 10, count),
        "rate": source.uniform(-0.02, 0.1, count),
        "yields": source.uniform(0, 0.05, count),
        "volatility": source.uniform(0.03, 1.2, count),
        "sign": source.choice([-1.0, 1.0], count),
    }


def test_hulls_call_and_put() -> None:
    """Hull, Options, Futures and Other Derivatives: S 42, K 40, T 0.5, r 10%, volatility 20%."""
    assert priced(42, 40, 0.5, 0.1, 0, 0.2, 1)[VALUE] == pytest.approx(4.7594, abs=5e-5)
    assert priced(42, 40, 0.5, 0.1, 0, 0.2, -1)[VALUE] == pytest.approx(0.8086, abs=5e-5)


def test_hulls_greeks() -> None:
    """Hull, the same book, on the Greek letters: 20 weeks, S 49, K 50, r 5%, volatility 20%."""
    value, delta, gamma, vega = priced(49, 50, 0.3846, 0.05, 0, 0.2, 1)
    assert value == pytest.approx(2.40, abs=0.005)
    assert delta / 49 == pytest.approx(0.522, abs=0.0005)
    assert gamma / 49**2 == pytest.approx(0.066, abs=0.0005)
    assert vega / 0.2 == pytest.approx(12.1, abs=0.05)


def test_haugs_put_on_an_index_that_pays_dividends() -> None:
    """Haug, The Complete Guide to Option Pricing Formulas, on Merton (1973): 2.4648."""
    assert priced(100, 95, 0.5, 0.1, 0.05, 0.2, -1)[VALUE] == pytest.approx(2.4648, abs=5e-5)


def test_prices_are_quantlibs_to_1e_10() -> None:
    """Relative to the price, or to 1 bp of the spot where the price is less than that.

    QuantLib's own normal distribution is right to 1e-15 of 1, not of a small price; the next test
    goes there.
    """
    given_ = drawn(5000)
    strike = given_["spot"] * given_["moneyness"]
    found = option_values(given_["spot"], strike, *(given_[name] for name in MARKET))[VALUE]
    expected = np.array(
        [
            ql.blackFormula(
                ql.Option.Call if sign > 0 else ql.Option.Put,
                k,
                spot * np.exp((rate - pays) * years),
                volatility * np.sqrt(years),
                np.exp(-rate * years),
            )
            for spot, k, years, rate, pays, volatility, sign in zip(
                given_["spot"], strike, *(given_[name] for name in MARKET), strict=True
            )
        ]
    )
    error = np.abs(found - expected) / np.maximum(expected, 1e-4 * given_["spot"])
    assert error.max() <= 1e-10


def exact_price(spot: float, strike: float, years: float, volatility: float, sign: float) -> Any:
    with mpmath.workdps(60):
        s, k, t, v = (mpmath.mpf(x) for x in (spot, strike, years, volatility))
        deviation = v * mpmath.sqrt(t)
        d1 = mpmath.log(s / k) / deviation + deviation / 2
        return sign * (s * mpmath.ncdf(sign * d1) - k * mpmath.ncdf(sign * (d1 - deviation)))


def test_a_price_far_out_of_the_money_is_right_in_its_own_digits() -> None:
    for strike in np.linspace(20, 500, 97):
        for volatility in (0.05, 0.2, 0.8):
            sign = 1.0 if strike > 100 else -1.0
            exact = exact_price(100.0, float(strike), 0.5, volatility, sign)
            if exact > 1e-30:
                found = priced(100, strike, 0.5, 0, 0, volatility, sign)[VALUE]
                assert abs(found / float(exact) - 1) <= 1e-10


@settings(deadline=None)
@given(
    st.tuples(st.floats(0.01, 1e4), st.floats(0.1, 10)),
    st.floats(0.003, 30),
    st.tuples(st.floats(-0.05, 0.2), st.floats(-0.05, 0.2)),
    st.floats(0.001, 3),
)
def test_put_call_parity(
    price: tuple[float, float], years: float, rates: tuple[float, float], volatility: float
) -> None:
    (spot, moneyness), (rate, pays) = price, rates
    strike = spot * moneyness
    call, put = (
        priced(spot, strike, years, rate, pays, volatility, sign)[VALUE] for sign in (1, -1)
    )
    asset, cash = spot * np.exp(-pays * years), strike * np.exp(-rate * years)
    assert call - put == pytest.approx(asset - cash, abs=1e-14 * (asset + cash))
    assert -1e-14 * asset <= call <= asset * (1 + 1e-14)
    assert -1e-14 * cash <= put <= cash * (1 + 1e-14)


@pytest.mark.parametrize(("years", "volatility"), [(0.0, 0.2), (1.0, 0.0), (0.0, 0.0), (1, -0.1)])
@pytest.mark.parametrize("spot", [80.0, 100.0, 120.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_without_time_or_volatility_it_is_worth_what_it_pays(
    years: float, volatility: float, spot: float, sign: float
) -> None:
    greeks = priced(spot, 100, years, 0, 0, volatility, sign)
    assert greeks[VALUE] == pytest.approx(max(sign * (spot - 100), 0), abs=1e-6)
    assert np.isfinite(greeks).all()


def test_greeks_are_quantlibs() -> None:
    rows = drawn(300)
    strike = rows["spot"] * rows["moneyness"]
    found = option_values(rows["spot"], strike, *(rows[name] for name in MARKET))
    for i, (spot, k) in enumerate(zip(rows["spot"], strike, strict=True)):
        years, rate, pays, volatility, sign = (rows[name][i] for name in MARKET)
        engine = ql.BlackCalculator(
            ql.PlainVanillaPayoff(ql.Option.Call if sign > 0 else ql.Option.Put, k),
            spot * np.exp((rate - pays) * years),
            volatility * np.sqrt(years),
            np.exp(-rate * years),
        )
        scale = 1e-10 * spot
        assert found[DELTA, i] == pytest.approx(spot * engine.delta(spot), rel=1e-10, abs=scale)
        assert found[GAMMA, i] == pytest.approx(spot**2 * engine.gamma(spot), rel=1e-9, abs=scale)
        assert found[VEGA, i] == pytest.approx(volatility * engine.vega(years), rel=1e-9, abs=scale)


def test_a_scenario_revalues_the_option_with_all_that_moved() -> None:
    moves: Moves = {
        ("EQ", "ACME"): 0.9,
        ("VOL", "ACME"): 1.25,
        ("FX", "EURUSD"): 1.03,
        ("RATE", "EUR-OIS"): 0.005,
        ("RATE", "ACME-DIV"): -0.002,
    }
    held = option("ACME", 55.0, IN_A_YEAR, kind="P", volatility=0.3, quantity=-7, currency="EUR")
    table = calculated([held], moved(moves, {}))
    rate = 0.018 + (1 - 0.5) / 1.5 * 0.004
    before = -7 * 1.1 * priced(50, 55, 1, rate, 0.015, 0.3, -1)[VALUE]
    after = -7 * 1.1 * 1.03 * priced(45, 55, 1, rate + 0.005, 0.013, 0.375, -1)[VALUE]
    assert values(table, "PV") == [pytest.approx(before, rel=1e-13)]
    assert values(table, "PNL") == [pytest.approx(after - before, rel=1e-12), 0.0]


def test_without_a_dividend_yield_there_are_no_dividends() -> None:
    table = calculated([option("TINY", 0.01, IN_A_YEAR)])
    expected = priced(0.0123, 0.01, 1, 0.041, 0, 0.2, 1)
    assert values(table, "PV") == [pytest.approx(expected[VALUE], rel=1e-13)]


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("volatility", [1e-12, 1e-4, 0.2, 5.0])
def test_options_close_to_expiry_or_without_volatility_have_finite_figures(
    days: int, volatility: float
) -> None:
    maturity = TODAY + timedelta(days=days)
    rows = [option("ACME", strike, maturity, volatility=volatility) for strike in (1e-3, 50, 1e6)]
    moves: list[Moves] = [
        {("EQ", "ACME"): ratio, ("VOL", "ACME"): 1e-9} for ratio in (1e-4, 1.0, 1e4)
    ]
    table = calculated(rows, moved(*moves))
    assert table["value"].is_finite().all()
    # At 500 000 the options struck at 0.001 and 50 pay, and pay all but their strikes.
    (present,), pnl = values(table, "PV"), values(table, "PNL")
    assert present + pnl[2] == pytest.approx(2 * 500_000 - 50.001, rel=1e-3)


def test_equal_contracts_are_one() -> None:
    halves = [
        option("ACME", 55, IN_A_YEAR, quantity=5.0),
        option("ACME", 55, IN_A_YEAR, quantity=5),
    ]
    assert calculated(halves).equals(calculated([option("ACME", 55, IN_A_YEAR, quantity=10)]))
