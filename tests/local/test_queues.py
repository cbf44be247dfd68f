from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def receive(clients: Any, queue: tuple[str, str]) -> Callable[..., Any]:
    def one(**options: Any) -> Any:
        answer = clients.sqs.receive_message(
            QueueUrl=queue[0],
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            **options,
        )
        return next(iter(answer.get("Messages", [])), None)

    return one


def test_a_message_counts_its_receipts_and_keeps_its_attributes(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any]
) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "because"}}
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x", MessageAttributes=attributes)
    for count in ("1", "2", "3"):
        message = receive()
        assert message["Attributes"]["ApproximateReceiveCount"] == count
        assert message["MessageAttributes"] == attributes
        clients.sqs.change_message_visibility(
            QueueUrl=queue[0], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )


def test_after_its_last_receipt_a_message_goes_to_the_dead_letter_queue(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any], unique: str
) -> None:
    dead = clients.sqs.create_queue(QueueName=f"{unique}-dead")["QueueUrl"]
    arn = f"{queue[1]}-dead"
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 2}
    clients.sqs.set_queue_attributes(
        QueueUrl=queue[0], Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="poison")
    for _ in range(2):
        assert receive(VisibilityTimeout=0)["Body"] == "poison"
    assert receive() is None
    (message,) = clients.sqs.receive_message(QueueUrl=dead, MessageSystemAttributeNames=["All"])[
        "Messages"
    ]
    assert message["Body"] == "poison"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue[1]


def test_deleting_twice_or_with_an_old_handle_succeeds(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any]
) -> None:
    url = queue[0]
    clients.sqs.send_message(QueueUrl=url, MessageBody="x")
    old = receive(VisibilityTimeout=0)["ReceiptHandle"]
    current = receive(VisibilityTimeout=60)["ReceiptHandle"]
    clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=old)
    held = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert held["ApproximateNumberOfMessagesNotVisible"] == "1"
    for _ in range(2):
        clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=current)
    entries = [{"Id": "a", "ReceiptHandle": current}, {"Id": "b", "ReceiptHandle": "nonsense"}]
    answer = clients.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    assert [done["Id"] for done in answer["Successful"]] == ["a"]
    assert [(bad["Id"], bad["Code"]) for bad in answer["Failed"]] == [
        ("b", "ReceiptHandleIsInvalid")
    ]


def test_the_visibility_of_a_message_that_is_visible_again_stays(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any]
) -> None:
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x")
    handle = receive(VisibilityTimeout=0)["ReceiptHandle"]
    clients.sqs.change_message_visibility(
        QueueUrl=queue[0], ReceiptHandle=handle, VisibilityTimeout=60
    )
    assert receive()["Body"] == "x"


def test_the_visibility_of_a_deleted_message_cannot_be_changed(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any]
) -> None:
    clients.sqs.send_message(QueueUrl=queue[0], MessageBody="x")
    handle = receive()["ReceiptHandle"]
    clients.sqs.delete_message(QueueUrl=queue[0], ReceiptHandle=handle)
    with pytest.raises(ClientError, match="Message does not exist") as caught:
        clients.sqs.change_message_visibility(
            QueueUrl=queue[0], ReceiptHandle=handle, VisibilityTimeout=60
        )
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_no_message_is_lost_while_others_are_deleted(
    clients: Any, queue: tuple[str, str], receive: Callable[..., Any], unique: str
) -> None:
    clients.events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": queue[1]}])
    events = [{"Source": unique, "DetailType": "t", "Detail": "{}"}] * 10
    senders = [
        threading.Thread(target=clients.events.put_events, kwargs={"Entries": events})
        for _ in range(10)
    ]
    for sender in senders:
        sender.start()
    received = 0
    while received < 100 and (message := receive(WaitTimeSeconds=2)):
        received += 1
        clients.sqs.delete_message(QueueUrl=queue[0], ReceiptHandle=message["ReceiptHandle"])
    assert received == 100
