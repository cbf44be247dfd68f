"""The ledger of runs: the stack TapStack<suffix> with the table TurnAroundPromptTable<suffix>."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, Ref, Sub, Template, dynamodb

from fargate_batch.names import SUFFIX_PARAMETER, GivenNames, Output
from fargate_batch.template.parts import give, new_template, rendered

if TYPE_CHECKING:
    from fargate_batch.settings import Settings

KEY = "id"


@rendered
def sceptre_handler(environment: Settings) -> Template:
    """The table, and four outputs that are exported under the stack's name."""
    names = GivenNames(environment.project)
    template = new_template("The ledger of runs", default_suffix="dev")
    table = template.add_resource(
        dynamodb.Table(
            "TurnAroundPromptTable",
            TableName=Sub(names.table()),
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName=KEY, AttributeType="S")
            ],
            KeySchema=[dynamodb.KeySchema(AttributeName=KEY, KeyType="HASH")],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=False,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    )
    for output, value in {
        Output.LEDGER_TABLE_NAME: Ref(table),
        Output.LEDGER_TABLE_ARN: GetAtt(table, "Arn"),
        "StackName": Ref("AWS::StackName"),
        SUFFIX_PARAMETER: Ref(SUFFIX_PARAMETER),
    }.items():
        give(template, output, value, export=f"${{AWS::StackName}}-{output}")
    return template
