from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import Output, StackPath

if TYPE_CHECKING:
    from fargate_batch.settings import Settings
    from tests.templates.conftest import Render, Rendered

DATA = ["InputBucket", "OutputBucket"]
ALL = [*DATA, "AccessLogBucket"]


@pytest.fixture
def buckets(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.BUCKETS)


@pytest.mark.parametrize("bucket", ALL)
def test_no_bucket_can_become_public(buckets: Rendered, bucket: str) -> None:
    assert buckets.properties(bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }


@pytest.mark.parametrize("bucket", ALL)
def test_plain_http_is_refused(buckets: Rendered, bucket: str) -> None:
    policy = buckets.properties(f"{bucket}Policy")
    assert policy["Bucket"] == {"Ref": bucket}
    (deny,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (deny["Principal"], deny["Action"]) == ("*", ["s3:*"])
    assert deny["Resource"] == [
        {"Fn::GetAtt": [bucket, "Arn"]},
        {"Fn::Sub": f"${{{bucket}.Arn}}/*"},
    ]


@pytest.mark.parametrize("bucket", DATA)
def test_data_is_encrypted_with_the_environments_key(buckets: Rendered, bucket: str) -> None:
    encryption = buckets.properties(bucket)["BucketEncryption"]
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    assert rule == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Ref": Output.KEY_ARN},
        },
    }


@pytest.mark.parametrize("bucket", DATA)
def test_data_buckets_announce_their_objects(buckets: Rendered, bucket: str) -> None:
    configuration = buckets.properties(bucket)["NotificationConfiguration"]
    assert configuration["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


@pytest.mark.parametrize("bucket", ALL)
def test_buckets_are_versioned_and_old_versions_go(
    buckets: Rendered, bucket: str, settings: Settings
) -> None:
    properties = buckets.properties(bucket)
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    expire, markers = properties["LifecycleConfiguration"]["Rules"]
    assert expire["NoncurrentVersionExpiration"] == {
        "NoncurrentDays": settings.storage.noncurrent_expiry_days
    }
    assert expire["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert markers["ExpiredObjectDeleteMarker"] is True


def test_input_and_output_live_as_long_as_the_settings_say(
    buckets: Rendered, settings: Settings
) -> None:
    days = [
        buckets.properties(bucket)["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"]
        for bucket in DATA
    ]
    assert days == [settings.storage.input_expiry_days, settings.storage.output_expiry_days]


@pytest.mark.parametrize("bucket", DATA)
def test_access_is_logged(buckets: Rendered, bucket: str) -> None:
    logging = buckets.properties(bucket)["LoggingConfiguration"]
    assert logging["DestinationBucketName"] == {"Ref": "AccessLogBucket"}


def test_only_s3_itself_writes_access_logs(buckets: Rendered) -> None:
    statements = buckets.properties("AccessLogBucketPolicy")["PolicyDocument"]["Statement"]
    (allow,) = [one for one in statements if one["Effect"] == "Allow"]
    assert allow["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allow["Action"] == ["s3:PutObject"]
    assert allow["Condition"]["StringEquals"]["aws:SourceAccount"]


def test_access_logs_are_encrypted_with_s3s_own_key(buckets: Rendered) -> None:
    # S3 does not deliver logs into a bucket whose default encryption is a KMS key.
    (rule,) = buckets.properties("AccessLogBucket")["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
