"""The arithmetic against mpmath, scipy and exact rationals."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import chain

import mpmath  # type: ignore[import-untyped]  # it ships no types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_calculation.kernels import exponentials, logarithms, option_values, run_sums
from scipy.special import ndtr

ULP = 2.0**-52


def relative(found: np.ndarray, expected: list[float]) -> float:
    return float(np.max(np.abs(found / np.array(expected) - 1)))


def test_exp_is_right_to_an_ulp_or_two() -> None:
    x = np.random.default_rng(1).uniform(-708, 709, 5000)
    assert relative(exponentials(x), [float(mpmath.exp(v)) for v in x]) <= 2 * ULP


def test_exp_of_nothing_is_one_and_beyond_its_range_nothing_or_infinite() -> None:
    x = np.array([0.0, -0.0, -709.0, 710.0, -math.inf, math.inf, math.nan])
    assert exponentials(x).tolist()[:-1] == [1.0, 1.0, 0.0, math.inf, 0.0, math.inf]
    assert math.isnan(exponentials(x)[-1])


def test_log_is_right_to_two_ulps_near_one_as_well() -> None:
    source = np.random.default_rng(2)
    x = np.concatenate([np.exp(source.uniform(-600, 600, 2000)), source.uniform(0.8, 1.2, 3000)])
    assert relative(logarithms(x[:, None])[:, 0], [float(mpmath.log(v)) for v in x]) <= 2 * ULP
    assert logarithms(np.ones((1, 1)))[0, 0] == 0.0


def test_the_normal_distribution_is_scipys() -> None:
    """A call's delta without rates is N(d1), and d1 = ln(S/K) + 1/2 where sigma·sqrt(T) = 1."""
    d1 = np.linspace(-25, 8, 4001)
    one, zero = np.ones(d1.size), np.zeros(d1.size)
    spot = exponentials(d1 - 0.5)
    delta = option_values(spot, one, one, zero, zero, one, one)[1] / spot
    exact = np.array([float(mpmath.log(v)) for v in spot]) + 0.5
    # An error of d1 of one ulp moves N(d1) by d1² ulps.
    assert np.all(np.abs(delta / ndtr(exact) - 1) <= (8 + 4 * d1**2) * ULP)


@given(st.lists(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30), min_size=1, max_size=5))
def test_sums_are_right_to_the_last_bit_or_two(runs: list[list[float]]) -> None:
    found = run_sums(np.array(list(chain(*runs))), np.array([len(run) for run in runs]))
    for total, run in zip(found, runs, strict=True):
        exact, gross = sum(map(Fraction, run), Fraction()), math.fsum(map(abs, run))
        allowed = abs(float(exact)) * ULP + len(run) * gross * ULP**2
        assert abs(float(Fraction(float(total)) - exact)) <= allowed


def test_what_cancels_leaves_what_is_small() -> None:
    assert run_sums(np.array([1e16, 1.0, -1e16]), np.array([3])).tolist() == [1.0]


def test_arrays_of_another_type_are_refused_and_not_compiled_for() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        exponentials(np.ones(3, dtype=np.float32))
