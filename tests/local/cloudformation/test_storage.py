from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.cloudformation.conftest import delete, failure

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_buckets_properties_are_what_the_api_then_tells(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    made = stack(
        {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": unique,
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {
                                "BucketKeyEnabled": True,
                                "ServerSideEncryptionByDefault": {
                                    "SSEAlgorithm": "aws:kms",
                                    "KMSMasterKeyID": "arn:aws:kms:eu-west-1:123456789012:key/k",
                                },
                            }
                        ]
                    },
                    "LifecycleConfiguration": {
                        "Rules": [
                            {
                                "Id": "expire",
                                "Status": "Enabled",
                                "ExpirationInDays": 30,
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                            }
                        ]
                    },
                    "LoggingConfiguration": {"LogFilePrefix": "log/"},
                    "Tags": [{"Key": "a", "Value": "b"}],
                },
            }
        }
    )
    assert made["StackStatus"] == "CREATE_COMPLETE", failure(clients, unique)
    (rule,) = clients.s3.get_bucket_encryption(Bucket=unique)["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    (lifecycle,) = clients.s3.get_bucket_lifecycle_configuration(Bucket=unique)["Rules"]
    assert lifecycle["Expiration"] == {"Days": 30}
    assert lifecycle["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    logging = clients.s3.get_bucket_logging(Bucket=unique)["LoggingEnabled"]
    assert (logging["TargetBucket"], logging["TargetPrefix"]) == (unique, "log/")
    tags = clients.s3.get_bucket_tagging(Bucket=unique)["TagSet"]
    assert {"Key": "a", "Value": "b"} in tags


def test_a_bucket_with_versions_cannot_be_deleted(
    clients: Any, stack: Callable[..., dict[str, Any]], unique: str
) -> None:
    properties = {"BucketName": unique, "VersioningConfiguration": {"Status": "Enabled"}}
    stack({"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    clients.s3.put_object(Bucket=unique, Key="a", Body=b"x")
    clients.s3.delete_object(Bucket=unique, Key="a")
    assert delete(clients, unique) == "DELETE_FAILED"
    assert "You must delete all versions" in failure(clients, unique)
    listed = clients.s3.list_object_versions(Bucket=unique)
    for version in [*listed["Versions"], *listed["DeleteMarkers"]]:
        clients.s3.delete_object(Bucket=unique, Key="a", VersionId=version["VersionId"])
    assert delete(clients, unique) == "DELETE_COMPLETE"
