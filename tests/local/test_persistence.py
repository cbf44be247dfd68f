from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import process
from local.cloudformation.interruption import settled
from local.ecs.slots import VARIABLE
from local.testing import free_port, local_aws
from tests.local import registry_client
from tests.local.small_platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept"}},
    }
}


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    content, port = registry_client.layer({"hello": "world"}), free_port()
    with local_aws(tmp_path, persist=True, use_engine=False, port=port) as aws:
        s3 = aws.client("s3")
        s3.create_bucket(
            Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(Bucket="kept", Key="a", Body=b"one", Metadata={"m": "1"})
        s3.put_object(Bucket="kept", Key="a", Body=b"two")
        aws.client("cloudformation").create_stack(
            StackName="kept", TemplateBody=json.dumps(TEMPLATE)
        )
        aws.client("cloudformation").get_waiter("stack_create_complete").wait(
            StackName="kept", WaiterConfig={"Delay": 1}
        )
        aws.client("ecr").create_repository(repositoryName="kept")
        digest = registry_client.push_image(aws.endpoint, "kept", "1", {}, [content])
    with local_aws(tmp_path, persist=True, use_engine=False, port=port) as aws:
        s3 = aws.client("s3")
        old = s3.get_object(Bucket="kept", Key="a", VersionId=first["VersionId"])
        assert (old["Body"].read(), old["Metadata"]) == (b"one", {"m": "1"})
        assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"two"
        assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 2
        (stack,) = aws.client("cloudformation").describe_stacks(StackName="kept")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        (image,) = aws.client("ecr").describe_images(repositoryName="kept")["imageDetails"]
        assert image["imageDigest"] == digest
        layer = registry_client.digest_of(content)
        status, _, body = registry_client.request("GET", f"{aws.endpoint}/v2/kept/blobs/{layer}")
        assert (status, body) == (200, content)
        aws.client("ecr").delete_repository(repositoryName="kept", force=True)
        assert [path for path in aws.directory.blobs.rglob("*") if path.is_file()] == []


def test_without_persist_nothing_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with local_aws(tmp_path, use_engine=False) as aws:
            assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
            aws.client("sqs").create_queue(QueueName="gone")


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], Any]:
    """Starts a local AWS, each time with what the last one kept."""
    port = free_port()
    return lambda: local_aws(tmp_path, persist=True, use_engine=False, port=port)


def test_messages_items_and_uploads_are_kept_as_they_are(kept: Callable[[], Any]) -> None:
    with kept() as aws:
        sqs, s3, dynamodb = (aws.client(name) for name in ("sqs", "s3", "dynamodb"))
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="first")
        sqs.send_message(QueueUrl=url, MessageBody="second")
        (held,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)["Messages"]
        dynamodb.create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        item = {"id": {"S": "a"}, "names": {"SS": ["x", "y"]}, "raw": {"B": b"\x00"}}
        dynamodb.put_item(TableName="items", Item=item)
        s3.create_bucket(
            Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        upload = s3.create_multipart_upload(Bucket="uploads", Key="large")["UploadId"]
        part = s3.upload_part(
            Bucket="uploads", Key="large", UploadId=upload, PartNumber=1, Body=b"p"
        )
    with kept() as aws:
        sqs, s3, dynamodb = (aws.client(name) for name in ("sqs", "s3", "dynamodb"))
        (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert message["Body"] == "second"
        sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"
        found = dynamodb.get_item(TableName="items", Key={"id": {"S": "a"}})["Item"]
        assert {**found, "names": {"SS": sorted(found["names"]["SS"])}} == item
        (listed,) = s3.list_multipart_uploads(Bucket="uploads")["Uploads"]
        assert listed["UploadId"] == upload
        s3.complete_multipart_upload(
            Bucket="uploads",
            Key="large",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        assert s3.get_object(Bucket="uploads", Key="large")["Body"].read() == b"p"


def test_tasks_that_a_stop_interrupts_are_told_and_services_come_back(
    kept: Callable[[], Any],
    eventually: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    with kept() as aws:
        made = Platform(aws)
        running, waiting = made.run(), made.run()
        service = made.service(1)
        assert eventually(lambda: made.status(running) == made.status(*service()) == "RUNNING")
        (first,) = service()
        assert made.status(waiting) == "PROVISIONING"
    with kept() as aws:
        ecs, sqs = aws.client("ecs"), aws.client("sqs")
        told: dict[str, Any] = {}
        while len(told) < 2:
            answer = sqs.receive_message(QueueUrl=made.url, WaitTimeSeconds=5)
            detail = json.loads(answer["Messages"][0]["Body"])["detail"]
            told[detail["taskArn"]] = detail
            sqs.delete_message(
                QueueUrl=made.url, ReceiptHandle=answer["Messages"][0]["ReceiptHandle"]
            )
        assert told[running]["stopCode"] == "EssentialContainerExited"
        assert told[running]["containers"][0]["exitCode"] == 137
        assert told[running]["overrides"]["containerOverrides"][0]["command"] == ["sleep", "60"]
        assert told[waiting]["stopCode"] == "TaskFailedToStart"
        assert "exitCode" not in told[waiting]["containers"][0]
        (described,) = ecs.describe_tasks(cluster="c", tasks=[running])["tasks"]
        assert described["stoppedReason"] == "The local AWS was stopped"

        def replaced() -> bool:
            arns = ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]
            return bool(arns) and arns != [first]

        assert eventually(replaced)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or nothing of it is left but what its new parent may ask for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_processes_of_a_killed_server_end_with_the_next_start(
    kept: Callable[[], Any], eventually: Callable[..., Any]
) -> None:
    with kept() as aws:
        made = Platform(aws)
        arn = made.run()
        assert eventually(lambda: made.status(arn) == "RUNNING")
        (pid_file,) = aws.directory.tasks.glob("*/pid")
        pid = int(pid_file.read_text())
        os.kill(aws.running.pid, signal.SIGKILL)
        assert eventually(lambda: process.find(aws.directory) is None)
        os.kill(pid, 0)
    with kept() as aws:
        assert eventually(lambda: has_ended(pid))
        # What was saved is the state of the last orderly stop, of which there was none.
        assert aws.client("ecs").list_clusters()["clusterArns"] == []


@pytest.mark.parametrize(
    ("interrupted", "status"),
    [
        ("CREATE_IN_PROGRESS", "CREATE_FAILED"),
        ("ROLLBACK_IN_PROGRESS", "CREATE_FAILED"),
        ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
    ],
)
def test_an_interrupted_operation_ends_where_the_same_command_goes_on(
    interrupted: str, status: str
) -> None:
    assert settled(interrupted) == status


def test_a_stop_waits_for_a_stack_that_is_being_made(kept: Callable[[], Any]) -> None:
    many = {
        "Resources": {
            f"Queue{n}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"q{n}"}}
            for n in range(60)
        }
    }
    with kept() as aws:
        aws.client("cloudformation").create_stack(StackName="s", TemplateBody=json.dumps(many))
    with kept() as aws:
        (stack,) = aws.client("cloudformation").describe_stacks(StackName="s")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert len(aws.client("sqs").list_queues()["QueueUrls"]) == 60


def test_an_interrupted_stack_can_be_updated_and_deleted(
    kept: Callable[[], Any], tmp_path: Path
) -> None:
    body = json.dumps(TEMPLATE)
    with kept() as aws:
        cloudformation = aws.client("cloudformation")
        for name in ("updating", "deleting"):
            template = body.replace('"kept"', f'"{name}"')
            cloudformation.create_stack(StackName=name, TemplateBody=template)
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1}
            )
    saved = tmp_path / "state" / "cloudformation.json"
    state = json.loads(saved.read_text())
    for key, stack in state["payload"]["stacks"]["data"].items():
        stack["StackStatus"] = "UPDATE_IN_PROGRESS" if "updating" in key else "DELETE_IN_PROGRESS"
    saved.write_text(json.dumps(state))
    with kept() as aws:
        cloudformation = aws.client("cloudformation")
        events = cloudformation.describe_stack_events(StackName="updating")["StackEvents"]
        assert events[0]["ResourceStatusReason"].startswith("The local AWS was stopped")
        # The same template again: it may not be told that there is nothing to do.
        cloudformation.update_stack(
            StackName="updating", TemplateBody=body.replace('"kept"', '"updating"')
        )
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName="updating", WaiterConfig={"Delay": 1}
        )
        cloudformation.delete_stack(StackName="deleting")
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName="deleting", WaiterConfig={"Delay": 1}
        )
