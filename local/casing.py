"""CloudFormation's PascalCase properties as the camelCase members of the ECS API."""

from __future__ import annotations

from typing import Any

# Maps whose keys belong to the user.
_USER_KEYED = frozenset({"options", "dockerLabels", "driverOpts", "labels"})


def camel_case(value: Any) -> Any:
    """Lower the first letter of every key, at every depth, but not of keys that users choose."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if isinstance(value, dict):
        return {
            (name := key[:1].lower() + key[1:]): item if name in _USER_KEYED else camel_case(item)
            for key, item in value.items()
        }
    return value
