"""Many items of the table at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from batchkit.items import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH: Final = 100
"""The most that DynamoDB answers at once."""
_MAX_WAIT_SECONDS: Final = 5.0


def get_items(client: DynamoDBClient, table: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the items that there are, by id, each as it is now."""
    wanted = sorted(set(ids))
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), _BATCH):
        keys: Any = [packed({"id": one}) for one in wanted[start : start + _BATCH]]
        wait = 0.05
        while keys:
            answer: Any = client.batch_get_item(
                RequestItems={table: {"Keys": keys, "ConsistentRead": True}}
            )
            items = map(unpacked, answer["Responses"].get(table, []))
            found |= {str(item["id"]): item for item in items}
            # What did not fit into one answer, or was too much at once.
            keys = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if keys:
                time.sleep(wait)
                wait = min(wait * 2, _MAX_WAIT_SECONDS)
    return found
