from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import registry_client  # type: ignore[import-not-found]  # conftest.py loads it

from local.location import SECRET_ACCESS_KEY
from local.testing import LocalAws, free_port, local_aws

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "kept"}},
    }
}


def client(aws: LocalAws, service: str) -> Any:
    make: Any = boto3.session.Session(
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=aws.region,
    ).client
    return make(service, endpoint_url=aws.endpoint)


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    content, port = registry_client.layer({"hello": "world"}), free_port()
    with local_aws(tmp_path, persist=True, use_engine=False, port=port) as aws:
        s3 = client(aws, "s3")
        s3.create_bucket(
            Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(Bucket="kept", Key="a", Body=b"one", Metadata={"m": "1"})
        s3.put_object(Bucket="kept", Key="a", Body=b"two")
        client(aws, "cloudformation").create_stack(
            StackName="kept", TemplateBody=json.dumps(TEMPLATE)
        )
        client(aws, "cloudformation").get_waiter("stack_create_complete").wait(
            StackName="kept", WaiterConfig={"Delay": 1}
        )
        client(aws, "ecr").create_repository(repositoryName="kept")
        digest = registry_client.push_image(aws.endpoint, "kept", "1", {}, [content])
    with local_aws(tmp_path, persist=True, use_engine=False, port=port) as aws:
        s3 = client(aws, "s3")
        old = s3.get_object(Bucket="kept", Key="a", VersionId=first["VersionId"])
        assert (old["Body"].read(), old["Metadata"]) == (b"one", {"m": "1"})
        assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"two"
        assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 2
        (stack,) = client(aws, "cloudformation").describe_stacks(StackName="kept")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        (image,) = client(aws, "ecr").describe_images(repositoryName="kept")["imageDetails"]
        assert image["imageDigest"] == digest
        layer = registry_client.digest_of(content)
        status, _, body = registry_client.request("GET", f"{aws.endpoint}/v2/kept/blobs/{layer}")
        assert (status, body) == (200, content)
        client(aws, "ecr").delete_repository(repositoryName="kept", force=True)
        assert [path for path in aws.directory.blobs.rglob("*") if path.is_file()] == []


def test_without_persist_nothing_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with local_aws(tmp_path, use_engine=False) as aws:
            assert client(aws, "sqs").list_queues().get("QueueUrls", []) == []
            client(aws, "sqs").create_queue(QueueName="gone")
