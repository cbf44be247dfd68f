"""Products of integers too wide for a float, exactly, at the speed of floating-point matrices.

Both sides are cut into digits of 20 bits. A product of two digits has 40 bits, so a float64 (53)
holds the sum of 2^13 of them without rounding; products of digits are matrix products then, and
only their few sums are put together as Python integers. (The idea is Ozaki's error-free
transformation: Numerical Algorithms 59, 2012.)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 20
_RADIX: Final = float(1 << _BITS)
_MAX_TERMS: Final = 1 << 13

Integers = NDArray[np.object_]
"""Python integers of any size."""
Floats = NDArray[np.float64]


def matmul(left: Integers, right: Floats) -> Integers:
    """Return the exact product of two matrices of integers.

    Args:
        left: Python integers, shape (n, k).
        right: integers held as float64, which may lie beyond 2^53, shape (k, m).

    Returns:
        Python integers, shape (n, m).
    """
    total: Integers = np.zeros((left.shape[0], right.shape[1]), dtype=object)
    for start in range(0, left.shape[1], _MAX_TERMS):
        terms = slice(start, start + _MAX_TERMS)
        right_digits = _float_digits(right[terms])
        for i, left_digit in enumerate(_integer_digits(left[:, terms])):
            for j, right_digit in enumerate(right_digits):
                product = (left_digit @ right_digit).astype(np.int64).astype(object)
                total = total + product * (1 << (_BITS * (i + j)))
    return total


def _integer_digits(values: Integers) -> list[Floats]:
    """Return the signed digits of integers, the lowest first; each is below 2^20 in size."""
    signs = np.where(values < 0, -1.0, 1.0)
    rest = np.abs(values)
    digits = []
    while rest.any():
        digits.append(signs * (rest & ((1 << _BITS) - 1)).astype(np.float64))
        rest = rest >> _BITS
    return digits


def _float_digits(values: Floats) -> list[Floats]:
    """Return the signed digits of integers held as floats, the lowest first."""
    digits = []
    rest = values
    while rest.any():
        # Division by a power of two and truncation are exact, and so is the difference.
        higher = np.trunc(rest / _RADIX)
        digits.append(rest - higher * _RADIX)
        rest = higher
    return digits
