from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fargate_batch.names import StackPath

if TYPE_CHECKING:
    from tests.templates.conftest import Render, Rendered

TABLE = "TurnAroundPromptTable"


@pytest.fixture
def ledger(render: Render, environment: str) -> Rendered:
    return render(environment, StackPath.LEDGER)


def test_suffix_is_dev_when_none_is_given(ledger: Rendered) -> None:
    parameter = ledger.template["Parameters"]["EnvironmentSuffix"]
    assert parameter["Default"] == "dev"
    assert parameter["AllowedPattern"] == "^[a-zA-Z0-9]+$"


def test_table_has_a_string_key_and_is_paid_by_request(ledger: Rendered) -> None:
    assert ledger.properties(TABLE) == {
        "TableName": {"Fn::Sub": "TurnAroundPromptTable${EnvironmentSuffix}"},
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": False,
    }


def test_table_goes_with_its_stack(ledger: Rendered) -> None:
    resource = ledger.template["Resources"][TABLE]
    assert resource["DeletionPolicy"] == "Delete"
    assert resource["UpdateReplacePolicy"] == "Delete"


def test_outputs_are_exported_under_the_stacks_name(ledger: Rendered) -> None:
    values = {
        "TurnAroundPromptTableName": {"Ref": TABLE},
        "TurnAroundPromptTableArn": {"Fn::GetAtt": [TABLE, "Arn"]},
        "StackName": {"Ref": "AWS::StackName"},
        "EnvironmentSuffix": {"Ref": "EnvironmentSuffix"},
    }
    assert ledger.outputs == {
        name: {"Value": value, "Export": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}}
        for name, value in values.items()
    }


def test_stack_holds_nothing_else(ledger: Rendered) -> None:
    assert list(ledger.template["Resources"]) == [TABLE]
