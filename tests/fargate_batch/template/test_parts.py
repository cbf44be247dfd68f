from __future__ import annotations

import json

import pytest
from troposphere import Ref

from fargate_batch.errors import UserError
from fargate_batch.names import SUFFIX_PARAMETER, SUFFIX_PATTERN, Output
from fargate_batch.template.parts import (
    STRINGS,
    arn,
    body,
    give,
    mark,
    name_tag,
    new_template,
    rendered,
    wired,
)


def test_nothing_is_built_from_settings_that_are_wrong() -> None:
    handler = rendered(lambda _: pytest.fail("the template was built"))
    with pytest.raises(UserError, match=r"sceptre_user_data\.project"):
        handler({"environment": "dev"})


def test_every_template_takes_the_suffix() -> None:
    parameter = json.loads(body(new_template("x")))["Parameters"][SUFFIX_PARAMETER]
    assert parameter["AllowedPattern"] == SUFFIX_PATTERN
    assert "Default" not in parameter


def test_suffix_has_a_default_where_one_is_wanted() -> None:
    template = new_template("x", default_suffix="dev")
    assert json.loads(body(template))["Parameters"][SUFFIX_PARAMETER]["Default"] == "dev"


def test_a_parameter_is_declared_once_however_often_it_is_used() -> None:
    template = new_template("x")
    first = wired(template, Output.PRIVATE_SUBNET_IDS, kind=STRINGS)
    again = wired(template, Output.PRIVATE_SUBNET_IDS)
    assert first.to_dict() == again.to_dict() == {"Ref": "PrivateSubnetIds"}
    assert template.parameters[Output.PRIVATE_SUBNET_IDS].Type == STRINGS


def test_an_output_inside_a_text_becomes_a_parameter_too() -> None:
    template = new_template("x")
    assert mark(template, Output.CLUSTER_NAME) == "${ClusterName}"
    assert Output.CLUSTER_NAME in template.parameters


def test_an_arn_is_of_this_region_and_account() -> None:
    assert arn("sqs", "queue") == (
        "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:queue"
    )


def test_an_output_is_exported_only_when_asked() -> None:
    template = new_template("x")
    give(template, "Plain", Ref("AWS::Region"))
    give(template, "Shared", Ref("AWS::Region"), export="${AWS::StackName}-Shared")
    outputs = json.loads(body(template))["Outputs"]
    assert "Export" not in outputs["Plain"]
    assert outputs["Shared"]["Export"] == {"Name": {"Fn::Sub": "${AWS::StackName}-Shared"}}


def test_body_is_as_short_as_json_can_be() -> None:
    template = new_template("x")
    assert body(template) == json.dumps(json.loads(body(template)), separators=(",", ":"))


def test_name_tag_follows_the_suffix() -> None:
    assert json.loads(json.dumps(name_tag("a-${EnvironmentSuffix}").to_dict())) == [
        {"Key": "Name", "Value": {"Fn::Sub": "a-${EnvironmentSuffix}"}}
    ]
