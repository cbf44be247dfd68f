"""Where objects land and where results are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, Ref, Sub, Template, s3

from fargate_batch.names import GivenNames, Output
from fargate_batch.template import policy
from fargate_batch.template.parts import give, new_template, rendered, wired

if TYPE_CHECKING:
    from fargate_batch.settings import Settings, Storage

ALL_BLOCKED = s3.PublicAccessBlockConfiguration(
    BlockPublicAcls=True,
    BlockPublicPolicy=True,
    IgnorePublicAcls=True,
    RestrictPublicBuckets=True,
)


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The input and the output bucket, and the bucket of their access logs."""
    names, storage = GivenNames(environment.project), environment.storage
    template = new_template("Buckets for input, output and access logs")
    _add_access_log_bucket(template, names, storage)
    for title, what, days, outputs in (
        (
            "InputBucket",
            "input",
            storage.input_expiry_days,
            (Output.INPUT_BUCKET_NAME, Output.INPUT_BUCKET_ARN),
        ),
        (
            "OutputBucket",
            "output",
            storage.output_expiry_days,
            (Output.OUTPUT_BUCKET_NAME, Output.OUTPUT_BUCKET_ARN),
        ),
    ):
        _add_data_bucket(template, title, names.bucket(what), days, storage)
        give(template, outputs[0], Ref(title))
        give(template, outputs[1], GetAtt(title, "Arn"))
    return template


def _add_data_bucket(
    template: Template, title: str, name: str, days: int, storage: Storage
) -> None:
    template.add_resource(
        s3.Bucket(
            title,
            BucketName=Sub(name),
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        BucketKeyEnabled=True,
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(
                            SSEAlgorithm="aws:kms",
                            KMSMasterKeyID=wired(template, Output.KEY_ARN),
                        ),
                    )
                ]
            ),
            LifecycleConfiguration=_lifecycle(days, storage),
            LoggingConfiguration=s3.LoggingConfiguration(
                DestinationBucketName=Ref("AccessLogBucket"), LogFilePrefix=f"{title}/"
            ),
            NotificationConfiguration=s3.NotificationConfiguration(
                EventBridgeConfiguration=s3.EventBridgeConfiguration(EventBridgeEnabled=True)
            ),
            OwnershipControls=_owner_enforced(),
            PublicAccessBlockConfiguration=ALL_BLOCKED,
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            # The log bucket takes entries only once its policy says so.
            DependsOn="AccessLogBucketPolicy",
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            f"{title}Policy",
            Bucket=Ref(title),
            PolicyDocument=policy.document(_tls_only(title)),
        )
    )


def _add_access_log_bucket(template: Template, names: GivenNames, storage: Storage) -> None:
    title = "AccessLogBucket"
    template.add_resource(
        s3.Bucket(
            title,
            BucketName=Sub(names.bucket("access-logs")),
            # S3 delivers access logs to buckets with its own keys only.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/
            # enable-server-access-logging.html
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(
                            SSEAlgorithm="AES256"
                        )
                    )
                ]
            ),
            LifecycleConfiguration=_lifecycle(storage.access_log_expiry_days, storage),
            OwnershipControls=_owner_enforced(),
            PublicAccessBlockConfiguration=ALL_BLOCKED,
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            f"{title}Policy",
            Bucket=Ref(title),
            PolicyDocument=policy.document(
                _tls_only(title),
                policy.allow(
                    ["s3:PutObject"],
                    [Sub("${AccessLogBucket.Arn}/*")],
                    principal={"Service": "logging.s3.amazonaws.com"},
                    condition=policy.from_this_account(
                        "arn:${AWS::Partition}:s3:::" + names.bucket("*")
                    ),
                    sid="S3WritesAccessLogs",
                ),
            ),
        )
    )
    give(template, Output.ACCESS_LOG_BUCKET_NAME, Ref(title))


def _tls_only(title: str) -> policy.Statement:
    return policy.deny_plain_http(["s3:*"], [GetAtt(title, "Arn"), Sub(f"${{{title}.Arn}}/*")])


def _owner_enforced() -> s3.OwnershipControls:
    return s3.OwnershipControls(
        Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
    )


def _lifecycle(days: int, storage: Storage) -> s3.LifecycleConfiguration:
    return s3.LifecycleConfiguration(
        Rules=[
            s3.LifecycleRule(
                Id="expire",
                Status="Enabled",
                ExpirationInDays=days,
                NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(
                    NoncurrentDays=storage.noncurrent_expiry_days
                ),
                AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
                    DaysAfterInitiation=1
                ),
            ),
            # A rule cannot both expire by days and clean up markers.
            s3.LifecycleRule(
                Id="clean-up-delete-markers",
                Status="Enabled",
                ExpiredObjectDeleteMarker=True,
            ),
        ]
    )
