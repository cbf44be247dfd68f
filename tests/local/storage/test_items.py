from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def table(clients: Any, unique: str) -> str:
    clients.dynamodb.create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {
        "id": {"S": "a"},
        "state": {"S": "claimed"},
        "owner": {"S": "me"},
        "lease_end": {"N": "100"},
        "shards": {"SS": ["s1", "s2"]},
        "list": {"L": [{"N": "1"}]},
    }
    clients.dynamodb.put_item(TableName=unique, Item=item)
    return unique


VALUES = {
    ":claimed": {"S": "claimed"},
    ":done": {"S": "done"},
    ":now": {"N": "99.5"},
    ":later": {"N": "101"},
    ":s1": {"S": "s1"},
    ":s3": {"S": "s3"},
    ":two": {"N": "2"},
    ":set": {"SS": ["s1"]},
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("attribute_exists(#state)", True),
        ("attribute_exists(absent)", False),
        ("attribute_not_exists(id) OR #state = :done", False),
        ("attribute_not_exists(absent) AND #state <> :done", True),
        ("#state IN (:done, :claimed)", True),
        ("NOT #state IN (:done)", True),
        ("lease_end > :now AND lease_end <= :later", True),
        ("lease_end < :now OR (#state = :claimed AND begins_with(#owner, :s1))", False),
        ("lease_end BETWEEN :now AND :later", True),
        ("contains(shards, :s1)", True),
        ("contains(shards, :s3)", False),
        ("NOT contains(shards, :s3)", True),
        ("size(shards) = :two", True),
        ("size(shards) < :two", False),
        ("absent < :now", False),
        ("NOT absent < :now", True),
    ],
)
def test_a_condition_decides_on_a_write(
    clients: Any,
    table: str,
    condition: str,
    holds: bool,  # noqa: FBT001 - a case's value
) -> None:
    request: dict[str, Any] = {
        "TableName": table,
        "Key": {"id": {"S": "a"}},
        "UpdateExpression": "SET touched = :two",
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {
            name: value
            for name, value in VALUES.items()
            if re.search(rf"{name}\b", condition) or name == ":two"
        },
    }
    names = {"#state": "state", "#owner": "owner"}
    used = {name: value for name, value in names.items() if name in condition}
    if used:
        request["ExpressionAttributeNames"] = used
    if holds:
        clients.dynamodb.update_item(**request)
    else:
        with pytest.raises(ClientError, match="ConditionalCheckFailed") as caught:
            clients.dynamodb.update_item(**request, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        response: Any = caught.value.response
        assert response["Item"]["state"] == {"S": "claimed"}


def test_sets_numbers_and_lists_change_in_place(clients: Any, table: str) -> None:
    changed = clients.dynamodb.update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression=(
            "DELETE shards :set REMOVE #owner ADD attempts :two, people :people "
            "SET lease_end = lease_end + :two, #l = list_append(#l, :more), "
            "fresh = if_not_exists(fresh, :two)"
        ),
        ExpressionAttributeNames={"#owner": "owner", "#l": "list"},
        ExpressionAttributeValues={
            ":set": {"SS": ["s1"]},
            ":people": {"SS": ["n"]},
            ":two": {"N": "2"},
            ":more": {"L": [{"N": "2"}]},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert changed == {
        "id": {"S": "a"},
        "state": {"S": "claimed"},
        "lease_end": {"N": "102"},
        "shards": {"SS": ["s2"]},
        "list": {"L": [{"N": "1"}, {"N": "2"}]},
        "attempts": {"N": "2"},
        "people": {"SS": ["n"]},
        "fresh": {"N": "2"},
    }


def test_the_last_member_takes_the_set_along(clients: Any, table: str) -> None:
    changed = clients.dynamodb.update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression="DELETE shards :all",
        ExpressionAttributeValues={":all": {"SS": ["s1", "s2"]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert "shards" not in changed


def test_of_many_who_claim_at_once_one_succeeds(clients: Any, table: str) -> None:
    def claim(owner: int) -> bool:
        try:
            clients.dynamodb.put_item(
                TableName=table,
                Item={"id": {"S": "b"}, "owner": {"N": str(owner)}},
                ConditionExpression="attribute_not_exists(id)",
            )
        except clients.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(40))) == 1


def test_a_batch_reads_what_there_is(clients: Any, table: str) -> None:
    keys = [{"id": {"S": name}} for name in ("a", "b")]
    answer = clients.dynamodb.batch_get_item(
        RequestItems={table: {"Keys": keys, "ConsistentRead": True}}
    )
    assert [item["id"] for item in answer["Responses"][table]] == [{"S": "a"}]
    assert answer["UnprocessedKeys"] == {}


def test_a_transaction_is_all_or_nothing(clients: Any, table: str) -> None:
    def write(condition: str) -> list[dict[str, Any]]:
        return [
            {"Put": {"TableName": table, "Item": {"id": {"S": "c"}}}},
            {
                "Update": {
                    "TableName": table,
                    "Key": {"id": {"S": "a"}},
                    "UpdateExpression": "SET touched = :t",
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": {":t": {"N": "1"}},
                }
            },
        ]

    with pytest.raises(ClientError, match="TransactionCanceled") as caught:
        clients.dynamodb.transact_write_items(TransactItems=write("attribute_not_exists(id)"))
    reasons = [one["Code"] for one in caught.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    assert "Item" not in clients.dynamodb.get_item(TableName=table, Key={"id": {"S": "c"}})
    clients.dynamodb.transact_write_items(TransactItems=write("attribute_exists(id)"))
    assert "Item" in clients.dynamodb.get_item(TableName=table, Key={"id": {"S": "c"}})
