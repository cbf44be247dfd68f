"""Conditional writes to the table: done, or refused with the item that stood against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from batchkit.items import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient


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
    names: Mapping[str, str],
    values: Mapping[str, Any],
    returns: Literal["ALL_NEW", "UPDATED_OLD"] = "ALL_NEW",
) -> Written:
    """Update an item if a condition holds.

    Raises:
        ClientError: the table did not answer, or not to this.
    """
    named: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
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
    return error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"


def assigned(values: Mapping[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return an assignment of each value for SET, with the names and values that it speaks of."""
    names = {f"#v{index}": name for index, name in enumerate(values)}
    filled = {f":v{index}": value for index, value in enumerate(values.values())}
    return ", ".join(f"{name} = :{name[1:]}" for name in names), names, filled
