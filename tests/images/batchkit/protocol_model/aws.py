"""What AWS answers: the table is the local AWS's own code, an operation at a time."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import ministack.services.dynamodb as local_dynamodb
from batchkit.events import from_message
from risk_calculation import calculate

from tests.images.batchkit.protocol_model.processes import Answer, Call
from tests.images.batchkit.protocol_model.run import (
    AFTER,
    EVENTS,
    KEYS,
    LATE_ROUTE,
    MANIFEST,
    RUN,
    TABLE,
    UPLOAD,
)
from tests.images.batchkit.protocol_model.states import id_of, name_of, sent

if TYPE_CHECKING:
    from tests.images.batchkit.protocol_model.processes import Process
    from tests.images.batchkit.protocol_model.states import State


def answered(  # noqa: PLR0911 - one for each operation
    state: State, caller: Process
) -> tuple[State, Answer]:
    """Let AWS do what a process calls for."""
    call = caller.progress
    assert isinstance(call, Call)
    request = json.loads(call.request)
    match call.operation:
        case "update_item" | "put_item" | "get_item":
            return _table_answer(state, caller, call)
        case "batch_get_item":
            keys = [key["id"]["S"] for key in request["RequestItems"][TABLE]["Keys"]]
            items = [json.loads(text) for text in state.items if id_of(text) in keys]
            return state, Answer(json.dumps({"Responses": {TABLE: items}}))
        case "put_object" if state.closed:
            return state, Answer("{}", "PreconditionFailed")
        case "put_object":
            assert json.loads(call.request)["IfNoneMatch"] == "*"
            # S3 tells of the new object; the late stage is told of it in a model of its own.
            return sent(state._replace(closed=True), "report"), Answer("{}")
        case "get_object":
            return state, Answer(json.dumps(_closing()))
        case "list_object_versions":
            return state, Answer(json.dumps(_versions(state, request["Prefix"])))
        case "send_message" if request["QueueUrl"] == "dead-letters":
            # A worker's letter is about the message that it has.
            letters = tuple(sorted({*state.dead_letters, caller.program}))
            return state._replace(dead_letters=letters), Answer("{}")
        case "send_message":
            return sent(state, _message(request)), Answer("{}")
    # Code under test that calls for more must not be answered by chance.
    raise AssertionError(f"The model does not know what AWS answers to {call.operation}.")


def _message(request: dict[str, Any]) -> str:
    """Return the message that goes to a queue: two stages hear of the last object."""
    event = from_message(request["MessageBody"])
    late = request["QueueUrl"] == LATE_ROUTE.queue_url
    return next(
        name for name, (stage, known) in EVENTS.items() if (known, stage == AFTER) == (event, late)
    )


@functools.cache
def _closing() -> str:
    """What is in risk/complete.json."""
    written: list[str] = []
    context: Any = mock.Mock(run_id=RUN)
    context.ledger.shard_done.return_value = (2, 2)
    context.storage.put_once = lambda _key, body, _type: written.append(body.decode())
    calculate._count("00000", MANIFEST, context)
    return written[0]


def _versions(state: State, prefix: str) -> dict[str, Any]:
    keys = [KEYS.shard("00000"), KEYS.shard("00001"), *([KEYS.complete] if state.closed else [])]
    found = [UPLOAD.key] if prefix.startswith("positions/") else keys
    return {"Versions": [{"Key": key, "VersionId": "v1", "IsLatest": True} for key in found]}


def _table_answer(state: State, caller: Process, call: Call) -> tuple[State, Answer]:
    me = f'"{name_of(state, caller)}"'
    items = {id_of(text): text for text in state.items}
    request = json.loads(call.request)
    key = request.get("Key", request.get("Item"))["id"]["S"]
    before = items.get(key, "").replace(me, '"me"')
    after, answer = _one_item(key, before, call)
    if after != before:
        items[key] = after.replace('"me"', me)
        state = state._replace(items=tuple(sorted(items.values())))
    return state, answer


@functools.cache
def _one_item(key: str, text: str, call: Call) -> tuple[str, Answer]:
    """Return an item after an operation of the local AWS's DynamoDB, and the answer."""
    table = _local_table()
    table["items"].clear()
    if text:
        table["items"][key]["__no_sort__"] = json.loads(text)
    status, _, body = getattr(local_dynamodb, f"_{call.operation}")(json.loads(call.request))
    found = json.loads(body)
    left = table["items"][key].get("__no_sort__")
    after = json.dumps(left, sort_keys=True) if left else ""
    error = "" if status == 200 else found["__type"].rsplit("#", 1)[-1]
    assert error in {"", "ConditionalCheckFailedException"}, f"{call} -> {found}"
    # Who another owner is, nobody cares.
    for other in range(9):
        body = body.replace(f'"p{other}"'.encode(), b'"other"')
    return after, Answer(json.dumps(json.loads(body), sort_keys=True), error)


@functools.cache
def _local_table() -> Any:
    status, *_ = local_dynamodb._create_table(
        {
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    assert status == 200
    return local_dynamodb._tables.get(TABLE)
