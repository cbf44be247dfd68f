from __future__ import annotations

from fargate_batch.template import policy


def test_documents_are_of_the_current_version() -> None:
    assert policy.document() == {"Version": "2012-10-17", "Statement": []}


def test_what_is_not_given_is_not_written() -> None:
    statement = policy.allow(["s3:GetObject"], ["arn"])
    assert statement == {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn"]}


def test_everybody_is_refused_without_tls() -> None:
    statement = policy.deny_plain_http(["s3:*"], ["arn"])
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_service_is_trusted_for_this_account_and_source_only() -> None:
    (statement,) = policy.trust("events.amazonaws.com", source_arn="arn:rule")["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    condition = statement["Condition"]
    assert condition["StringEquals"]["aws:SourceAccount"].to_dict() == {
        "Fn::Sub": "${AWS::AccountId}"
    }
    assert condition["ArnLike"]["aws:SourceArn"].to_dict() == {"Fn::Sub": "arn:rule"}
