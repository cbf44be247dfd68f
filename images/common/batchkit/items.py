"""Python values as DynamoDB items and back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from collections.abc import Mapping


def packed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as DynamoDB writes them; floats become decimals."""
    serialize = TypeSerializer().serialize
    return {key: serialize(_decimal(value)) for key, value in values.items()}


def unpacked(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's values; numbers become int or float."""
    deserialize = TypeDeserializer().deserialize
    return {key: _plain(deserialize(value)) for key, value in item.items()}


def timestamp(seconds: float | None = None) -> str:
    """Return a time (now) as ISO 8601 in UTC with milliseconds."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds")


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: _decimal(inner) for key, inner in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
