"""`!close_security_group`: takes the rules out of a security group that AWS made.

Every VPC comes with a default group whose members reach each other and all the world.
CloudFormation can add rules to it and knows no way to take these out, other than a custom resource
with a function of its own (aws-cloudformation/cloudformation-coverage-roadmap#658). So it is done
from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from hooks.base import Arguments, CheckedHook
from hooks.stacks import outputs_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


class CloseSecurityGroupArguments(Arguments):
    """Which group."""

    output: str = Field(min_length=1)
    """The name of the stack's own output that holds the group's id."""


class CloseSecurityGroup(CheckedHook[CloseSecurityGroupArguments]):
    """Leaves the group without a rule, so that it lets nothing in and nothing out."""

    arguments_model: ClassVar[type[Arguments]] = CloseSecurityGroupArguments

    def run(self) -> None:
        """Take out what rules there are; a stack that failed is left as it is."""
        described = self.described_stack()
        if described is None or not self.stands(described):
            return
        group = outputs_of(described).get(self.arguments().output)
        if group is None:
            # An earlier version of the template, before an update that has not come through.
            self.logger.warning(
                "There is no output %s; no security group was closed", self.arguments().output
            )
            return
        if count := close_group(self.client("ec2"), group):
            self.logger.info("Took %d rules out of %s", count, group)


def close_group(ec2: EC2Client, group: str) -> int:
    """Revoke every rule of the group; return how many there were."""
    rules = [
        rule
        for page in ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        for rule in page["SecurityGroupRules"]
    ]
    coming_in = [rule["SecurityGroupRuleId"] for rule in rules if not rule["IsEgress"]]
    going_out = [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"]]
    if coming_in:
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=coming_in)
    if going_out:
        ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=going_out)
    return len(rules)
