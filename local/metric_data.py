"""MetricDataQueries: metrics and expressions over them, period by period."""

from __future__ import annotations

import math
from typing import Any, Final

from local import metric_math
from local.symbols import Symbol

_METRICS: Final = Symbol("services.cloudwatch", "_metrics")
_STATISTICS: Final = Symbol("services.cloudwatch", "_calc_stats", ("points",))
_VALUE: Final = Symbol("services.cloudwatch", "_stat_value", ("stats", "stat_name", "points"))
_DIMENSIONS_KEY: Final = Symbol("services.cloudwatch", "_dims_key", ("dims",))

SYMBOLS: Final = (_METRICS, _STATISTICS, _VALUE, _DIMENSIONS_KEY)

Query = dict[str, Any]

_DEFAULT_PERIOD: Final = 60


def normal(queries: list[Any]) -> list[Query]:
    """Queries with their numbers and booleans as such; CloudFormation passes on text as well.

    What names no ReturnData returns its data.
    """
    made = []
    for query in queries:
        one = dict(query)
        one["ReturnData"] = str(query.get("ReturnData", True)).lower() == "true"
        if "Period" in query:
            one["Period"] = int(query["Period"])
        if "MetricStat" in query:
            stat = query["MetricStat"]
            one["MetricStat"] = {**stat, "Period": int(stat.get("Period", _DEFAULT_PERIOD))}
        made.append(one)
    return made


def check(queries: list[Query]) -> None:
    """Refuse what CloudWatch would refuse of an alarm's queries.

    Raises:
        ValueError: the message says why.
    """
    ids = [query.get("Id") for query in queries]
    if len(set(ids)) != len(ids):
        raise ValueError("The ids of Metrics must differ from each other.")
    if sum(query["ReturnData"] for query in queries) != 1:
        raise ValueError("Exactly one element of the metrics list should return data.")
    for query in queries:
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValueError(f"{query.get('Id')}: either MetricStat or Expression is required.")
    try:
        _evaluate(queries, {id_: [1.0] for id_ in _ids_of_metrics(queries)})
    except metric_math.MetricMathError as error:
        raise ValueError(f"Invalid metrics list: {error}") from error


def values(queries: list[Query], count: int, now: float) -> list[float | None]:
    """The value of each of the last periods, newest first; None without data.

    Args:
        queries: checked ones; the one with ReturnData is meant.
        count: how many periods.
        now: seconds since 1970. The period that now runs counts, so that nobody waits for its end.
    """
    period = max(
        (query["MetricStat"]["Period"] for query in queries if "MetricStat" in query),
        default=_DEFAULT_PERIOD,
    )
    series: dict[str, metric_math.Value] = {
        query["Id"]: _of_metric(query["MetricStat"], period, count, now)
        for query in queries
        if "MetricStat" in query
    }
    result = _evaluate(queries, series)
    return list(result) if isinstance(result, list) else [result] * count


def _ids_of_metrics(queries: list[Query]) -> list[str]:
    return [query["Id"] for query in queries if "MetricStat" in query]


def _evaluate(queries: list[Query], series: dict[str, metric_math.Value]) -> metric_math.Value:
    """Compute the expressions as soon as what they name is known, and return what is asked for.

    Raises:
        MetricMathError: an expression is wrong or names what is not there.
    """
    known = dict(series)
    waiting = [query for query in queries if "Expression" in query]
    while waiting:
        failed: list[Query] = []
        for query in waiting:
            try:
                known[query["Id"]] = metric_math.evaluate(query["Expression"], known)
            except metric_math.MetricMathError as error:
                failed.append(query)
                reason = error
        if len(failed) == len(waiting):
            raise reason
        waiting = failed
    (wanted,) = (query["Id"] for query in queries if query["ReturnData"])
    return known[wanted]


def _of_metric(stat: Query, period: int, count: int, now: float) -> list[float | None]:
    metric = stat["Metric"]
    dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions") or ()}
    key = (metric["Namespace"], metric["MetricName"], _DIMENSIONS_KEY.get()(dimensions))
    points = list(_METRICS.get().get(key) or ())
    end = math.ceil(now / period) * period
    found: list[float | None] = []
    for number in range(count):
        last = end - number * period
        inside = [point for point in points if last - period <= point["Timestamp"] < last]
        found.append(
            _VALUE.get()(_STATISTICS.get()(inside), stat["Stat"], inside) if inside else None
        )
    return found
