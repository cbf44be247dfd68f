"""What MiniStack's CloudFormation drops of buckets, topics, tables and log groups.

The dropped properties go through the API that owns them, called like any client calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from local.cloudformation.handlers import (
    HANDLERS,
    Properties,
    after_write,
    before_create,
    before_delete,
)
from local.selfcall import client
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKETS: Final = Symbol("services.s3", "_buckets")
_TOPICS: Final = Symbol("services.sns", "_topics")
_TABLES: Final = Symbol("services.dynamodb", "_tables")
_LOG_GROUPS: Final = Symbol("services.cloudwatch_logs", "_log_groups")
_STACK_TAGS: Final = Symbol("services.cloudformation.provisioners", "_STACK_TAG_PROPERTY")

SYMBOLS: Final = (HANDLERS, _BUCKETS, _TOPICS, _TABLES, _LOG_GROUPS, _STACK_TAGS)

_BUCKET: Final = "AWS::S3::Bucket"


def install() -> None:
    """Complete the four types."""
    after_write(_BUCKET, _configure_bucket)
    before_delete(_BUCKET, _refuse_full_bucket)
    after_write("AWS::SNS::Topic", _configure_topic)
    after_write("AWS::DynamoDB::Table", _configure_table)
    before_create("AWS::Logs::LogGroup", _refuse_existing_log_group)
    # Stack tags reach these types on AWS, and MiniStack leaves them out.
    for name in (_BUCKET, "AWS::ECS::TaskDefinition", "AWS::Events::Rule"):
        _STACK_TAGS.get().setdefault(name, ("Tags", "list"))


def _configure_bucket(name: str, properties: Properties) -> None:
    s3 = client("s3")
    _apply(
        properties.get("BucketEncryption"),
        lambda value: s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={"Rules": _encryption_rules(value)},
        ),
    )
    _apply(
        properties.get("LifecycleConfiguration"),
        lambda value: s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={"Rules": [lifecycle_rule(rule) for rule in value["Rules"]]},
        ),
    )
    _apply(
        properties.get("LoggingConfiguration"),
        lambda value: s3.put_bucket_logging(
            Bucket=name,
            BucketLoggingStatus={
                "LoggingEnabled": {
                    "TargetBucket": value.get("DestinationBucketName", name),
                    "TargetPrefix": value.get("LogFilePrefix", ""),
                }
            },
        ),
    )
    _apply(
        properties.get("OwnershipControls"),
        lambda value: s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=value),
    )
    _apply(
        properties.get("Tags"),
        lambda value: s3.put_bucket_tagging(
            Bucket=name,
            Tagging={"TagSet": [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in value]},
        ),
    )


def _apply(value: Any, put: Callable[[Any], object]) -> None:
    if value:
        put(value)


def _encryption_rules(value: Properties) -> list[dict[str, Any]]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        made = {"BucketKeyEnabled": str(rule.get("BucketKeyEnabled", False)).lower() == "true"}
        if "ServerSideEncryptionByDefault" in rule:
            made["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        rules.append(made)
    return rules


def lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """A lifecycle rule as PutBucketLifecycleConfiguration takes it."""
    made: dict[str, Any] = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    expiration: dict[str, Any] = {}
    if "ExpirationInDays" in rule:
        expiration["Days"] = int(rule["ExpirationInDays"])
    if "ExpiredObjectDeleteMarker" in rule:
        expiration["ExpiredObjectDeleteMarker"] = (
            str(rule["ExpiredObjectDeleteMarker"]).lower() == "true"
        )
    if expiration:
        made["Expiration"] = expiration
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    days = rule.get("NoncurrentVersionExpirationInDays", noncurrent.get("NoncurrentDays"))
    if days is not None:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(days)}
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort:
        made["AbortIncompleteMultipartUpload"] = {
            "DaysAfterInitiation": int(abort["DaysAfterInitiation"])
        }
    transitions = [
        {"Days": int(one["TransitionInDays"]), "StorageClass": one["StorageClass"]}
        for one in rule.get("Transitions") or ()
    ]
    if transitions:
        made["Transitions"] = transitions
    return made


def _refuse_full_bucket(name: str, _properties: Properties) -> None:
    # The bucket may be gone: somebody deleted it by hand.
    if name not in _BUCKETS.get():
        return
    listed = client("s3").list_object_versions(Bucket=name, MaxKeys=1)
    if listed.get("Versions") or listed.get("DeleteMarkers"):
        raise ValueError(
            "The bucket you tried to delete is not empty. You must delete all versions in the "
            "bucket. (Service: S3, Status Code: 409)"
        )


def _configure_topic(arn: str, properties: Properties) -> None:
    attributes = _TOPICS.get()[arn]["attributes"]
    for name in ("KmsMasterKeyId", "SignatureVersion", "TracingConfig"):
        if name in properties:
            attributes[name] = str(properties[name])


def _configure_table(name: str, properties: Properties) -> None:
    table = _TABLES.get()[name]
    dynamodb = client("dynamodb")
    if properties.get("BillingMode") == "PAY_PER_REQUEST":
        table["ProvisionedThroughput"] = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
    encryption = properties.get("SSESpecification")
    if encryption and str(encryption.get("SSEEnabled")).lower() == "true":
        table["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS"}
        if encryption.get("KMSMasterKeyId"):
            table["SSEDescription"]["KMSMasterKeyArn"] = encryption["KMSMasterKeyId"]
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery:
        dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={
                "PointInTimeRecoveryEnabled": str(
                    recovery.get("PointInTimeRecoveryEnabled", False)
                ).lower()
                == "true"
            },
        )
    expiry = properties.get("TimeToLiveSpecification")
    if expiry:
        _set_time_to_live(dynamodb, name, expiry)


def _set_time_to_live(dynamodb: Any, table: str, expiry: Properties) -> None:
    enabled = str(expiry.get("Enabled")).lower() == "true"
    current = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    # DynamoDB refuses to set what is set already.
    if (current["TimeToLiveStatus"] == "ENABLED") != enabled:
        dynamodb.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={
                "Enabled": enabled,
                "AttributeName": expiry["AttributeName"],
            },
        )


def _refuse_existing_log_group(properties: Properties) -> None:
    name = properties.get("LogGroupName")
    if name and name in _LOG_GROUPS.get():
        raise ValueError(
            f"Resource of type 'AWS::Logs::LogGroup' with identifier '{name}' already exists."
        )
