from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from risk_calculation import exact

integers = st.integers(-(10**40), 10**40)
# Floats that are integers, most of them beyond 2^53.
floats = st.builds(
    lambda mantissa, shift: float(mantissa) * 2.0**shift,
    st.integers(-(2**53), 2**53),
    st.integers(0, 60),
)


@given(st.data(), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_it_equals_python_integers(data: st.DataObject, n: int, k: int, m: int) -> None:
    left = [[data.draw(integers) for _ in range(k)] for _ in range(n)]
    right = [[data.draw(floats) for _ in range(m)] for _ in range(k)]
    product = exact.matmul(np.array(left, dtype=object), np.array(right))
    expected = [
        [sum(row[i] * int(right[i][j]) for i in range(k)) for j in range(m)] for row in left
    ]
    assert product.tolist() == expected


def test_it_is_exact_over_more_terms_than_a_float_can_sum() -> None:
    terms = 20_000
    left = np.array([[2**20 - 1] * terms], dtype=object)
    right = np.full((terms, 1), float(2**20 - 1))
    assert exact.matmul(left, right).tolist() == [[terms * (2**20 - 1) ** 2]]
