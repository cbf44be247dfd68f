"""The arithmetic: exp, log and the normal distribution, Black's formula, and sums over scenarios.

Only the four operations, fused ones and square roots are used, which IEEE 754 defines to the last
bit; exp, log and the normal distribution are made of them, since a library's differ by processor.

All kernels stand in this module because numba's cache notices changes of a kernel's own file only.

Scenario vectors have one column for today and one a scenario, and are padded to whole blocks of
`BLOCK`, a number that the compiler knows and whose working set fits the first-level cache. Every
column is summed in the order of the positions, whoever calculates which block, so the number of
threads changes no bit.
"""

# ruff: noqa: PLR0913, PLR0917 - a kernel takes arrays and no objects, so it takes many

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from risk_calculation.compiled import inlined, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

BLOCK: Final = 64
DEVIATION_FLOOR: Final = 1e-9
"""The least standard deviation sigma·sqrt(T): an option at its expiry, or without volatility, is
worth what it would pay now."""
RATIO_FLOOR: Final = 1e-6
"""The least ratio by which a scenario scales a volatility."""

_LOG2_E: Final = 1.4426950408889634
# ln 2 in two parts; the first has trailing zeros, so that its small multiples are exact.
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
# Added and taken away again, it rounds to an integer, which then stands in the lowest bits.
_ROUNDER: Final = 6755399441055744.0
_EXP_MIN: Final = -708.0
_EXP_MAX: Final = 709.0
_SQRT_HALF: Final = 0.7071067811865476
_SQRT_2PI: Final = 2.5066282746310002


@inlined
def _at_least(x: float, least: float) -> float:
    """The larger of two, and NaN if x is, which `max` may lose."""
    return least if x < least else x  # noqa: FURB136 - as it says


@inlined
def _at_most(x: float, most: float) -> float:
    """The smaller of two, and NaN if x is."""
    return most if x > most else x  # noqa: FURB136 - the same


@inlined
def _exp(x: float) -> float:
    """e^x to 1 ulp for x in [-708, 709]: 2^k·e^r with |r| ≤ ln(2)/2, e^r by its Taylor series."""
    shifted = x * _LOG2_E + _ROUNDER
    k = shifted - _ROUNDER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (1 / 2 + r * (1 / 6)) + r2 * (1 / 24 + r * (1 / 120))
    high = (1 / 720 + r * (1 / 5040)) + r2 * (1 / 40320 + r * (1 / 362880))
    top = (1 / 3628800 + r * (1 / 39916800)) + r2 * (1 / 479001600 + r * (1 / 6227020800))
    series = 1.0 + (r + r2 * (low + r4 * (high + r4 * top)))
    exponent = np.float64(shifted).view(np.int64) << np.int64(52)
    return np.int64(np.float64(series).view(np.int64) + exponent).view(np.float64)


@inlined
def _exp_any(x: float) -> float:
    """e^x for any x; 0 below -708, infinity above 709."""
    value = _exp(_at_most(_at_least(x, _EXP_MIN), _EXP_MAX))
    value = 0.0 if x < _EXP_MIN else value
    return math.inf if x > _EXP_MAX else value


@inlined
def _log(x: float) -> float:
    """Natural logarithm of a positive, normal x: k·ln 2 + 2·artanh((m-1)/(m+1)), m around 1."""
    m, k = math.frexp(x)
    if m < _SQRT_HALF:
        m *= 2.0
        k -= 1
    z = (m - 1.0) / (m + 1.0)
    z2 = z * z
    series = 0.0
    for n in range(25, 1, -2):
        series = series * z2 + 1.0 / n
    return k * _LN2_HIGH + (2.0 * z + (2.0 * z * z2 * series + k * _LN2_LOW))


@inlined
def _tail(x: float) -> tuple[float, float]:
    """e^(x²/2)·N(-x) for x in [0, 40], relative error 2e-16.

    Returned as numerator and denominator, so that two tails can share one division. The rational
    function meets the exact one at 20 points, the Chebyshev nodes of (x - 4)/(x + 4) on [0, 38.6];
    all coefficients are positive, so nothing cancels.
    """
    p = 1.394096665369294e-06
    p = p * x + 3.74624373016114e-05
    p = p * x + 0.0004928677782964947
    p = p * x + 0.004107126967228792
    p = p * x + 0.02370972327714027
    p = p * x + 0.09799485784379652
    p = p * x + 0.2900106793034927
    p = p * x + 0.5950216954889781
    p = p * x + 0.7755663428377656
    p = p * x + 0.5
    q = 3.4944821189924443e-06
    q = q * x + 9.390440457492298e-05
    q = q * x + 0.0012389307910304552
    q = q * x + 0.010388944977934054
    q = q * x + 0.060659910488161474
    q = q * x + 0.2557439022291592
    q = q * x + 0.7839447352555196
    q = q * x + 1.7174800483185615
    q = q * x + 2.564287985002946
    q = q * x + 2.34901724647839
    q = q * x + 1.0
    return p, q


@inlined
def _black(
    asset: float, cash: float, d1: float, d2: float, sign: float
) -> tuple[float, float, float]:
    """The two legs of an option: asset·N(sign·d1), cash·N(sign·d2), and asset·e^(-d1²/2).

    Black (1976). `asset` is the discounted forward and `cash` the discounted strike. One exp serves
    both legs, because asset·e^(-d1²/2) = cash·e^(-d2²/2).
    """
    exponent = -0.5 * d1 * d1
    density = asset * _exp(_at_least(exponent, _EXP_MIN))
    a, b = sign * d1, sign * d2
    x, y = math.fabs(a), math.fabs(b)
    p1, q1 = _tail(_at_most(x, 40.0))
    p2, q2 = _tail(_at_most(y, 40.0))
    scaled = density / (q1 * q2)
    tail1, tail2 = scaled * p1 * q2, scaled * p2 * q1
    return tail1 if a < 0 else asset - tail1, tail2 if b < 0 else cash - tail2, density


@inlined
def _accumulate(high: Floats, low: Floats, amount: float, values: Floats) -> None:
    """Add amount·values to a compensated sum (Knuth's exact sum of two numbers)."""
    for s in range(BLOCK):
        term = amount * values[s]
        total = high[s] + term
        back = total - high[s]
        low[s] += (high[s] - (total - back)) + (term - back)
        high[s] = total


@kernel(
    "void(f8[:,::1], i8[:,::1], f8[:,::1], i8[::1], i8[::1], f8[::1], i8, f8[:,::1], f8[:,::1])"
)
def add_linear(
    factors: Floats,
    rows: Integers,
    terms: Floats,
    starts: Integers,
    books: Integers,
    amounts: Floats,
    first: int,
    high: Floats,
    low: Floats,
) -> None:
    """Add what the books hold of linear units, for the scenarios `first` to `first + BLOCK`.

    A unit is worth spot·fx·exp(-t·r).

    Args:
        factors: moved values, shape (rows, width).
        rows: by unit, the rows of spot, fx, and the rate at the near and the far point.
        terms: by unit, the far point's weight, and t in years.
        starts: where each unit's amounts begin; one longer than there are units.
        books: of each amount, its row in the sums.
        amounts: held of the unit.
        first: column.
        high: sums, shape (books, BLOCK), added to.
        low: what rounding took from them.
    """
    unit = np.empty(BLOCK)
    last = first + BLOCK
    for u in range(rows.shape[0]):
        spot, fx = factors[rows[u, 0], first:last], factors[rows[u, 1], first:last]
        near, far = factors[rows[u, 2], first:last], factors[rows[u, 3], first:last]
        weight, years = terms[u, 0], terms[u, 1]
        for s in range(BLOCK):
            rate = near[s] + weight * (far[s] - near[s])
            unit[s] = spot[s] * fx[s] * _exp_any(-years * rate)
        for k in range(starts[u], starts[u + 1]):
            _accumulate(high[books[k]], low[books[k]], amounts[k], unit)


@kernel(
    "void(f8[:,::1], f8[:,::1], i8[:,::1], f8[:,::1], i8[::1], i8[::1], f8[:,::1], i8, f8[:,::1],"
    " f8[:,::1])"
)
def add_options(
    factors: Floats,
    logs: Floats,
    rows: Integers,
    terms: Floats,
    starts: Integers,
    books: Integers,
    contracts: Floats,
    first: int,
    high: Floats,
    low: Floats,
) -> None:
    """Add the books' options, for the scenarios `first` to `first + BLOCK`.

    Options of one group have underlying, currency and maturity in common, so what depends on these
    is calculated once for all of them.

    Args:
        factors: moved values, shape (rows, width).
        logs: ln of the spot's ratio to today's, shape (underlyings, width).
        rows: by group, the rows of spot, fx, the rate at the near and the far point, dividend yield
            and volatility ratio, and in `logs`.
        terms: by group, the far point's weight, and T in years.
        starts: where each group's contracts begin; one longer than there are groups.
        books: of each contract, its row in the sums.
        contracts: by contract, ln(spot/strike), sigma, strike, 1 for a call or -1 for a put, and
            quantity.
        first: column.
        high: sums, shape (books, BLOCK), added to.
        low: what rounding took from them.
    """
    drift, ratio, inverse = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    asset, cash, value = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    last = first + BLOCK
    for g in range(rows.shape[0]):
        spot, fx = factors[rows[g, 0], first:last], factors[rows[g, 1], first:last]
        near, far = factors[rows[g, 2], first:last], factors[rows[g, 3], first:last]
        pays, scale = factors[rows[g, 4], first:last], factors[rows[g, 5], first:last]
        moved = logs[rows[g, 6], first:last]
        weight, years = terms[g, 0], terms[g, 1]
        for s in range(BLOCK):
            ratio[s] = _at_least(scale[s], RATIO_FLOOR)
            inverse[s] = 1.0 / ratio[s]
        for s in range(BLOCK):
            r = years * (near[s] + weight * (far[s] - near[s]))
            q = years * pays[s]
            drift[s] = moved[s] + (r - q)
            asset[s] = spot[s] * fx[s] * _exp_any(-q)
            cash[s] = fx[s] * _exp_any(-r)
        for k in range(starts[g], starts[g + 1]):
            moneyness, strike, sign = contracts[k, 0], contracts[k, 2], contracts[k, 3]
            deviation = _at_least(contracts[k, 1] * math.sqrt(years), DEVIATION_FLOOR)
            reciprocal = 1.0 / deviation
            for s in range(BLOCK):
                width = deviation * ratio[s]
                d1 = (moneyness + drift[s]) * (reciprocal * inverse[s]) + 0.5 * width
                asset_leg, cash_leg, _ = _black(asset[s], strike * cash[s], d1, d1 - width, sign)
                value[s] = asset_leg - cash_leg
            signed = sign * contracts[k, 4]
            _accumulate(high[books[k]], low[books[k]], signed, value)


@kernel("f8[:,::1](f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1])")
def option_values(
    spot: Floats,
    strike: Floats,
    years: Floats,
    rate: Floats,
    dividend_yield: Floats,
    volatility: Floats,
    sign: Floats,
) -> Floats:
    """Value European options by Black-Scholes-Merton.

    Returns:
        Shape (4, n): value, spot·dV/dS, spot²·d²V/dS² and volatility·dV/d(volatility).
    """
    values = np.empty((4, spot.size))
    for i in range(spot.size):
        deviation = _at_least(volatility[i] * math.sqrt(years[i]), DEVIATION_FLOOR)
        drift = (rate[i] - dividend_yield[i]) * years[i]
        asset = spot[i] * _exp_any(-dividend_yield[i] * years[i])
        cash = strike[i] * _exp_any(-rate[i] * years[i])
        d1 = (_log(spot[i] / strike[i]) + drift) / deviation + 0.5 * deviation
        asset_leg, cash_leg, density = _black(asset, cash, d1, d1 - deviation, sign[i])
        values[0, i] = sign[i] * (asset_leg - cash_leg)
        values[1, i] = sign[i] * asset_leg
        values[2, i] = density / (_SQRT_2PI * deviation)
        values[3, i] = density / _SQRT_2PI * deviation
    return values


@kernel("f8[::1](f8[::1])")
def exponentials(x: Floats) -> Floats:
    """Return e^x of each; 0 below -708, infinity above 709."""
    values = np.empty(x.size)
    for i in range(x.size):
        values[i] = _exp_any(x[i])
    return values


@kernel("f8[:,::1](f8[:,::1])")
def logarithms(x: Floats) -> Floats:
    """Return the natural logarithm of each; all must be above 0."""
    values = np.empty(x.shape)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            values[i, j] = _log(x[i, j])
    return values


@kernel("f8[::1](f8[::1], i8[::1])")
def run_sums(values: Floats, lengths: Integers) -> Floats:
    """Return the compensated sum of each run of `lengths[i]` consecutive values."""
    sums = np.empty(lengths.size)
    at = 0
    for i in range(lengths.size):
        high, low = 0.0, 0.0
        for _ in range(lengths[i]):
            total = high + values[at]
            back = total - high
            low += (high - (total - back)) + (values[at] - back)
            high = total
            at += 1
        sums[i] = high + low
    return sums


@kernel("void(i8[::1], i8[::1], f8[::1], f8[:,::1], f8[:,::1], b1[:,::1])")
def add_at(
    books: Integers,
    factors: Integers,
    values: Floats,
    high: Floats,
    low: Floats,
    found: NDArray[np.bool_],
) -> None:
    """Add each value to the compensated sum of its book and factor, and note that it has one."""
    for i in range(values.size):
        b, f = books[i], factors[i]
        total = high[b, f] + values[i]
        back = total - high[b, f]
        low[b, f] += (high[b, f] - (total - back)) + (values[i] - back)
        high[b, f] = total
        found[b, f] = True
