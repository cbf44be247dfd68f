"""DescribeVpcEndpoints with what MiniStack stores and does not tell, and with filters."""

from __future__ import annotations

import json
from typing import Any, Final
from xml.sax.saxutils import escape

from local.symbols import Symbol

_FIELDS: Final = Symbol("services.ec2", "_vpce_fields_xml", ("ep", "tag"))
_DESCRIBE: Final = Symbol("services.ec2", "_describe_vpc_endpoints", ("p",))
_ACTIONS: Final = Symbol("services.ec2", "_ACTION_MAP")
_ENDPOINTS: Final = Symbol("services.ec2", "_vpc_endpoints")
_IDS: Final = Symbol("services.ec2", "_parse_member_list", ("params", "prefix"))
_FILTERS: Final = Symbol("services.ec2", "_parse_filters", ("params",))
_XML: Final = Symbol("services.ec2", "_xml", ("status", "root_tag", "inner"))

SYMBOLS: Final = (_FIELDS, _DESCRIBE, _ACTIONS, _ENDPOINTS, _IDS, _FILTERS, _XML)

_FILTERED: Final = {
    "vpc-id": "VpcId",
    "service-name": "ServiceName",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-endpoint-state": "State",
    "vpc-endpoint-id": "VpcEndpointId",
}


def install() -> None:
    """Complete the answer."""
    _FIELDS.wrap(_completing)
    _ACTIONS.get()["DescribeVpcEndpoints"] = _describe


def _completing(fields: Any) -> Any:
    def complete(ep: dict[str, Any], tag: str = "item") -> str:
        groups = "".join(
            f"<item><groupId>{group}</groupId></item>" for group in ep.get("SecurityGroupIds") or ()
        )
        policy = ep.get("PolicyDocument")
        text = policy if isinstance(policy, str) or policy is None else json.dumps(policy)
        extra = (
            f"<groupSet>{groups}</groupSet>"
            f"<privateDnsEnabled>{str(ep.get('PrivateDnsEnabled', False)).lower()}"
            "</privateDnsEnabled>"
            f"<creationTimestamp>{ep.get('CreationTimestamp', '')}</creationTimestamp>"
            + (f"<policyDocument>{escape(text)}</policyDocument>" if text else "")
        )
        made: str = fields(ep, tag)
        head, closing, _ = made.rpartition(f"</{tag}>")
        return head + extra + closing

    return complete


def _describe(params: dict[str, Any]) -> Any:
    ids, filters = _IDS.get()(params, "VpcEndpointId"), _FILTERS.get()(params)
    unknown = set(filters) - set(_FILTERED)
    if unknown:
        return _XML.get()(
            400,
            "Response",
            "<Errors><Error><Code>InvalidFilter</Code><Message>The local AWS does not know the "
            f"filter {escape(', '.join(sorted(unknown)))}</Message></Error></Errors>",
        )
    items = "".join(
        _FIELDS.get()(endpoint)
        for endpoint in _ENDPOINTS.get().values()
        if (not ids or endpoint["VpcEndpointId"] in ids)
        and all(endpoint[_FILTERED[name]] in wanted for name, wanted in filters.items())
    )
    return _XML.get()(
        200, "DescribeVpcEndpointsResponse", f"<vpcEndpointSet>{items}</vpcEndpointSet>"
    )
