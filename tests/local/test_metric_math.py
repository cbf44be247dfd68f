from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import metric_data
from local.metric_math import MetricMathError, evaluate

SERIES: dict[str, Any] = {"a": [4.0, None, 8.0], "b": [2.0, 3.0, 0.0], "gone": [None, None, None]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("-(1 + 2) ^ 2", 9),
        ("2 - 1 - 1", 0),
        ("a", [4, None, 8]),
        ("a + b", [6, None, 8]),
        ("a / b", [2, None, None]),
        ("FILL(a, 0) + b", [6, 3, 8]),
        ("FILL(gone, 7)", [7, 7, 7]),
        ("FILL(a, b)", [4, 3, 8]),
        ("a > 5", [0, None, 1]),
        ("b >= 2 AND b < 3", [1, 0, 0]),
        ("b == 0 || b == 3", [0, 1, 1]),
        ("IF(b > 0, FILL(a, 0) / b, 0)", [2, 0, 0]),
        ("IF(b, 1, gone)", [1, 1, None]),
        ("MAX([a, b])", [4, 3, 8]),
        ("MAX(a)", 8),
        ("SUM([a, b, 1])", [7, 4, 9]),
        ("CEIL(b / 4)", [1, 1, 0]),
    ],
)
def test_expressions(expression: str, expected: Any) -> None:
    assert evaluate(expression, SERIES) == expected


@pytest.mark.parametrize(
    "expression",
    ["", "a +", "a b", "(a", "c", "FILL(a)", "PERIOD(a)", "a $ b", "[a, b]", "SEARCH('x', 'y')"],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(MetricMathError):
        evaluate(expression, SERIES)


numbers = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6))
def test_arithmetic_has_data_exactly_where_both_have(rows: list[tuple[Any, Any]]) -> None:
    left, right = [row[0] for row in rows], [row[1] for row in rows]
    total = evaluate("x + y", {"x": left, "y": right})
    assert total == [None if None in row else sum(row) for row in rows]
    filled = evaluate("FILL(x, 0) + FILL(y, 0)", {"x": left, "y": right})
    assert isinstance(filled, list)
    assert None not in filled


def query(id_: str, *, returned: Any = False, **rest: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "n", "MetricName": id_}, "Period": "60", "Stat": "Sum"}
    return {"Id": id_, "ReturnData": returned, **(rest or {"MetricStat": stat})}


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([query("a")], "return data"),
        ([query("a", returned=True), query("b", returned="true")], "return data"),
        ([query("a", returned=True), query("a")], "differ"),
        ([query("a"), query("e", returned=True, Expression="a + b")], "'b' is not known"),
        ([query("a", returned=True, Label="neither")], "either MetricStat or Expression"),
    ],
)
def test_an_invalid_list_of_metrics_is_refused(queries: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric_data.check(metric_data.normal(queries))


def test_expressions_may_name_each_other_in_any_order() -> None:
    metric_data.check(
        metric_data.normal(
            [
                query("e", returned="true", Expression="half + 1"),
                query("half", Expression="a / 2"),
                query("a", returned="false"),
            ]
        )
    )
