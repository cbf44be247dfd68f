"""CloudWatch's metric math, as far as alarms and target tracking use it.

A time series is a list with one value a period, newest first, and None where there is no data. A
number is a series of nothing but itself.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

Series = list[float | None]
Value = float | Series
Environment = Mapping[str, Value]

_TOKENS: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<operator>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))"
)


class MetricMathError(Exception):
    """An expression that CloudWatch refuses, or a part of the language that is not known here."""


def evaluate(expression: str, environment: Environment) -> Value:
    """The value of an expression.

    Args:
        expression: e.g. `IF(tasks > 0, FILL(visible, 0) / tasks, 0)`.
        environment: the series of every id that it may name, all of the same length.

    Raises:
        MetricMathError: it is no expression, or names what is not there.
    """
    parser = _Parser(expression, environment)
    value = parser.comparison()
    if parser.upcoming:
        raise MetricMathError(f"{expression!r}: {parser.upcoming!r} is not expected")
    if isinstance(value, tuple):
        raise MetricMathError(f"{expression!r}: an array of series is no series")
    return value


def _per_period(function: Callable[..., float | None], *values: Value) -> Value:
    """Apply a function of numbers to each period in which every value has data."""
    lengths = {len(value) for value in values if isinstance(value, list)}
    if not lengths:
        result = _quiet(function, *(value for value in values if not isinstance(value, list)))
        return math.nan if result is None else result
    (length,) = lengths
    columns = [value if isinstance(value, list) else [value] * length for value in values]
    return [None if None in row else _quiet(function, *row) for row in zip(*columns, strict=True)]


def _quiet(function: Callable[..., float | None], *arguments: float | None) -> float | None:
    try:
        result = function(*arguments)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None  # as CloudWatch: no data where there is no number
    return None if result is None or math.isnan(result) else result


_OPERATORS: Final[tuple[dict[str, Callable[[float, float], float]], ...]] = (
    {
        "||": lambda left, right: float(bool(left) or bool(right)),
        "OR": lambda left, right: float(bool(left) or bool(right)),
    },
    {
        "&&": lambda left, right: float(bool(left) and bool(right)),
        "AND": lambda left, right: float(bool(left) and bool(right)),
    },
    {
        "==": lambda left, right: float(left == right),
        "!=": lambda left, right: float(left != right),
        "<=": lambda left, right: float(left <= right),
        ">=": lambda left, right: float(left >= right),
        "<": lambda left, right: float(left < right),
        ">": lambda left, right: float(left > right),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
    {"^": operator.pow},
)
"""Binary operators, from what binds least to what binds most."""


def _fill(series: Value, filler: Value) -> Value:
    if not isinstance(series, list):
        return series
    if isinstance(filler, list):
        return [other if one is None else one for one, other in zip(series, filler, strict=True)]
    return [filler if one is None else one for one in series]


def _if(condition: Value, then: Value, otherwise: Value) -> Value:
    """The branch that is not taken may lack data."""
    if not any(isinstance(value, list) for value in (condition, then, otherwise)):
        return then if condition else otherwise
    length = max(len(v) for v in (condition, then, otherwise) if isinstance(v, list))
    rows = [v if isinstance(v, list) else [v] * length for v in (condition, then, otherwise)]
    return [
        None if chosen is None else (yes if chosen else no)
        for chosen, yes, no in zip(*rows, strict=True)
    ]


def _over(aggregate: Callable[[list[float]], float]) -> Callable[..., Value]:
    """Over an array of series: a series. Over one series: the number of all its periods."""

    def apply(values: Value | tuple[Value, ...]) -> Value:
        if not isinstance(values, tuple):
            if not isinstance(values, list):
                return values
            data = [one for one in values if one is not None]
            return aggregate(data) if data else [None] * len(values)
        length = max((len(one) for one in values if isinstance(one, list)), default=1)
        columns = [one if isinstance(one, list) else [one] * length for one in values]
        return [
            aggregate(data) if (data := [one for one in row if one is not None]) else None
            for row in zip(*columns, strict=True)
        ]

    return apply


_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Value]]]] = {
    "ABS": (1, lambda value: _per_period(abs, value)),
    "AVG": (1, _over(lambda data: sum(data) / len(data))),
    "CEIL": (1, lambda value: _per_period(math.ceil, value)),
    "FILL": (2, _fill),
    "FLOOR": (1, lambda value: _per_period(math.floor, value)),
    "IF": (3, _if),
    "MAX": (1, _over(max)),
    "MIN": (1, _over(min)),
    "SUM": (1, _over(math.fsum)),
}
"""By name: how many arguments, and what it does."""


class _Parser:
    """Reads an expression from left to right and computes as it goes."""

    def __init__(self, expression: str, environment: Environment) -> None:
        self._expression = expression
        self._environment = environment
        self._tokens = _tokens(expression)
        self._position = 0

    @property
    def upcoming(self) -> str:
        """The token that was not read yet, empty at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def comparison(self, level: int = 0) -> Value:
        """Read operators of a level and of all that bind more."""
        if level == len(_OPERATORS):
            return self._unary()
        value = self.comparison(level + 1)
        while self.upcoming in _OPERATORS[level]:
            function = _OPERATORS[level][self._take()]
            value = _per_period(function, value, self.comparison(level + 1))
        return value

    def _unary(self) -> Value:
        if self.upcoming == "-":
            self._take()
            return _per_period(operator.neg, self._unary())
        return self._operand()

    def _operand(self) -> Value:
        word = self._take()
        if word == "(":
            value = self.comparison()
            self._expect(")")
            return value
        if word[:1].isdigit():
            return float(word)
        if word in _FUNCTIONS and self.upcoming == "(":
            return self._call(word)
        if word in self._environment:
            return self._environment[word]
        raise self._error(word)

    def _call(self, name: str) -> Value:
        count, function = _FUNCTIONS[name]
        self._expect("(")
        arguments: list[Value | tuple[Value, ...]] = [self._argument()]
        while self.upcoming == ",":
            self._take()
            arguments.append(self._argument())
        self._expect(")")
        if len(arguments) != count and name not in ("MAX", "MIN", "SUM", "AVG"):
            raise MetricMathError(f"{self._expression!r}: {name} takes {count} arguments")
        return function(*arguments) if len(arguments) == count else function(tuple(arguments))

    def _argument(self) -> Value | tuple[Value, ...]:
        if self.upcoming != "[":
            return self.comparison()
        self._take()
        values = [self.comparison()]
        while self.upcoming == ",":
            self._take()
            values.append(self.comparison())
        self._expect("]")
        return tuple(values)

    def _take(self) -> str:
        word = self.upcoming
        self._position += 1
        return word

    def _expect(self, word: str) -> None:
        found = self._take()
        if found != word:
            raise self._error(found)

    def _error(self, word: str) -> MetricMathError:
        what = f"{word!r} is not known here" if word else "it ends too early"
        return MetricMathError(f"{self._expression!r}: {what}")


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise MetricMathError(f"{expression!r}: {text[position:]!r} is not understood")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens
