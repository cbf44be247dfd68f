"""Conditional writes to the table: done, or refused with the item that stood against it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from batchkit.errors import error_code
from batchkit.items import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

Returned = Literal["ALL_NEW", "UPDATED_OLD"]


@dataclass(frozen=True)
class Written:
    """What became of a conditional write."""

    done: bool
    item: dict[str, Any]
    """The attributes asked for when it is done; else the item that was found, empty if none was.

    It is the very item that the condition was false for, so nothing need be read again. After a
    write whose answer was lost, the repetition may be refused by what the first one wrote.
    """


def update(  # noqa: PLR0913 - one operation of DynamoDB's, with what it takes
    client: DynamoDBClient,
    table: str,
    key: str,
    expression: str,
    *,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    returns: Returned = "ALL_NEW",
) -> Written:
    """Update an item if a condition holds.

    In the expression and the condition `#name` stands for the attribute `name`, unless `names` says
    for which other.

    Raises:
        ClientError: the table did not answer, or not to this.
    """
    spoken_of = re.findall(r"#\w+", f"{expression} {condition}")
    aliases = {**{alias: alias[1:] for alias in spoken_of}, **(names or {})}
    named: dict[str, Any] = {"ExpressionAttributeNames": aliases} if aliases else {}
    try:
        answer = client.update_item(
            TableName=table,
            Key=packed({"id": key}),
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=packed(values),
            ReturnValues=returns,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **named,
        )
    except ClientError as error:
        if not condition_failed(error):
            raise
        found: Any = error.response.get("Item", {})
        return Written(done=False, item=unpacked(found))
    return Written(done=True, item=unpacked(answer.get("Attributes", {})))


def condition_failed(error: ClientError) -> bool:
    """Tell whether a write found its condition false."""
    return error_code(error) == "ConditionalCheckFailedException"


def assigned(values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return an assignment of each value for SET, `#name = :new_name`, and its values."""
    assignments = ", ".join(f"#{name} = :new_{name}" for name in values)
    return assignments, {f":new_{name}": value for name, value in values.items()}
