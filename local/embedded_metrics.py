"""CloudWatch's embedded metric format: log events that carry metrics become data points.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PUT_LOG_EVENTS: Final = Symbol("services.cloudwatch_logs", "_put_log_events", ("data",))
_STORE: Final = Symbol(
    "services.cloudwatch",
    "_store_datum",
    ("namespace", "name", "dims", "ts", "unit", "value", "values", "counts", "stat_values"),
)

SYMBOLS: Final = (_PUT_LOG_EVENTS, _STORE)

_MARK: Final = '"_aws"'
_MAX_DIMENSIONS: Final = 30
_MAX_VALUES: Final = 100

_log = logging.getLogger("local.embedded_metrics")


@dataclass(frozen=True)
class Datum:
    """The values of one metric under one set of dimensions, at one moment."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    timestamp: float
    """Seconds since 1970."""
    unit: str
    values: tuple[float, ...]


def install() -> None:
    """Read every event that is put into a log group, by a task or through the API."""
    _PUT_LOG_EVENTS.wrap(_extracting)


def data_of(message: str) -> Iterator[Datum]:
    """The metrics that a log event carries: none unless it is a document of this format.

    Raises:
        ValueError: it says that it is one and is not; the message says why.
    """
    if _MARK not in message:
        return
    try:
        document = json.loads(message)
    except ValueError:
        return  # a line that speaks of the format and is none of its documents
    if not isinstance(document, dict) or not isinstance(document.get("_aws"), dict):
        return
    metadata = document["_aws"]
    timestamp = metadata.get("Timestamp")
    if not isinstance(timestamp, int):
        problem = "_aws.Timestamp is no whole number of milliseconds"
        raise ValueError(problem)  # noqa: TRY004 - one error for every bad document
    for directive in metadata.get("CloudWatchMetrics") or ():
        for definition in directive.get("Metrics") or ():
            if definition.get("Name") not in document:
                raise ValueError(f"the metric {definition.get('Name')} has no value")
            for names in directive.get("Dimensions") or [[]]:
                yield Datum(
                    namespace=directive["Namespace"],
                    metric=definition["Name"],
                    dimensions=_dimensions(names, document),
                    timestamp=timestamp / 1000,
                    unit=definition.get("Unit", "None"),
                    values=_values(definition["Name"], document[definition["Name"]]),
                )


def _dimensions(names: list[str], document: dict[str, Any]) -> dict[str, str]:
    if len(names) > _MAX_DIMENSIONS:
        raise ValueError(f"a dimension set has more than {_MAX_DIMENSIONS} members")
    missing = [name for name in names if not isinstance(document.get(name), str)]
    if missing:
        raise ValueError(f"the dimension {missing[0]} has no text as its value")
    return {name: document[name] for name in names}


def _values(name: str, value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > _MAX_VALUES:
        raise ValueError(f"the metric {name} has more than {_MAX_VALUES} values")
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in values):
        raise ValueError(f"the metric {name} is no number: {value!r}")
    return tuple(float(one) for one in values)


def _extracting(put: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    @wraps(put)
    def put_and_extract(data: dict[str, Any]) -> Any:
        answer = put(data)
        if answer[0] < 400:
            for event in data.get("logEvents") or ():
                _store(event.get("message", ""), data["logGroupName"])
        return answer

    return put_and_extract


def _store(message: str, log_group: str) -> None:
    try:
        for datum in data_of(message):
            _STORE.get()(
                datum.namespace,
                datum.metric,
                datum.dimensions,
                datum.timestamp,
                datum.unit,
                None,
                list(datum.values),
                None,
                None,
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # CloudWatch drops it too and counts it in EMFValidationErrors; here it is said in the log.
        _log.warning("%s: no metrics from %s: %s", log_group, message[:200], error)
