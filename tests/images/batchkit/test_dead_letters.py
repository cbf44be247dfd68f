from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import boto3
from batchkit.dead_letters import DeadLetterQueue, read
from batchkit.events import S3Event
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.images.conftest import Place

STAGE = "risk-calculation"


def queue(place: Place) -> DeadLetterQueue:
    return place.context(STAGE).dead_letters


def letters(place: Place) -> list[Any]:
    return list(read(place.session.client("sqs"), STAGE, place.dead_letter_url))


def visible(place: Place) -> int:
    name: Any = "ApproximateNumberOfMessages"
    attributes = place.session.client("sqs").get_queue_attributes(
        QueueUrl=place.dead_letter_url, AttributeNames=[name]
    )["Attributes"]
    return int(attributes[name])


def test_a_letter_says_why_and_of_what_run(place: Place) -> None:
    queue(place).put("body", "RuntimeError: no memory", attempts=3, run="r1")
    (letter,) = letters(place)
    assert (letter.stage, letter.run_id, letter.attempts) == (STAGE, "r1", 3)
    assert (letter.reason, letter.body) == ("RuntimeError: no memory", "body")
    assert letter.event is None


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=1200), st.integers(0, 3))
def test_any_reason_can_be_told(reason: str, attempts: int) -> None:
    sent: list[dict[str, Any]] = []

    class Client:
        def send_message(self, **request: Any) -> None:
            sent.append(request)

    client: Any = Client()
    DeadLetterQueue(client, "url", STAGE).put("body", reason, attempts=attempts)
    told = sent[0]["MessageAttributes"]["reason"]["StringValue"]
    assert 0 < len(told) <= 1000
    assert all(
        character in "\t\n\r" or "\u0020" <= character <= "\ufffd" or character >= "\U00010000"
        for character in told
    )
    assert "run_id" not in sent[0]["MessageAttributes"]


def test_reading_leaves_every_letter_there(place: Place) -> None:
    for index in range(25):
        queue(place).put(str(index), "no memory", attempts=3)
    for _ in range(2):
        assert {letter.body for letter in letters(place)} == {str(index) for index in range(25)}
    assert visible(place) == 25


def test_a_letter_that_returns_while_others_are_read_is_told_once() -> None:
    client = boto3.client("sqs", region_name="eu-west-1")
    asked = {
        "QueueUrl": "url",
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 1,
        "VisibilityTimeout": ANY,
        "MessageAttributeNames": ["All"],
    }
    given_back = {"Id": "0", "ReceiptHandle": "second", "VisibilityTimeout": 0}
    with Stubber(client) as stubber:
        for receipt in ("first", "second"):
            message = {"MessageId": "m1", "ReceiptHandle": receipt, "Body": "body"}
            stubber.add_response("receive_message", {"Messages": [message]}, asked)
        stubber.add_response("receive_message", {}, asked)
        stubber.add_response(
            "change_message_visibility_batch",
            {"Successful": [{"Id": "0"}], "Failed": []},
            {"QueueUrl": "url", "Entries": [given_back]},
        )
        assert [letter.receipt for letter in read(client, STAGE, "url")] == ["first"]
        stubber.assert_no_pending_responses()


def test_reading_that_is_broken_off_leaves_them_too(place: Place) -> None:
    for index in range(3):
        queue(place).put(str(index), "no memory", attempts=3)
    found = read(place.session.client("sqs"), STAGE, place.dead_letter_url)
    assert len(list(itertools.islice(found, 1))) == 1
    found.close()
    assert visible(place) == 3


def test_a_letter_of_eventbridges_is_understood(place: Place) -> None:
    event = S3Event(place.output_bucket, "runs/r1/shards/00000.parquet", "v1")
    place.session.client("sqs").send_message(
        QueueUrl=place.dead_letter_url,
        MessageBody=event.to_message(),
        MessageAttributes={
            "ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"},
            "ERROR_MESSAGE": {"DataType": "String", "StringValue": "may not send"},
        },
    )
    (letter,) = letters(place)
    assert (letter.run_id, letter.reason, letter.attempts) == ("r1", "may not send", None)
    assert letter.event == event


def test_a_letter_of_an_input_belongs_to_the_run_that_it_would_make(place: Place) -> None:
    event = place.upload("positions/a.csv", b"x")
    place.session.client("sqs").send_message(
        QueueUrl=place.dead_letter_url, MessageBody=event.to_message()
    )
    (letter,) = letters(place)
    assert letter.run_id == place.run_id(event)
    assert "again and again" in letter.reason
