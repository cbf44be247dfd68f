"""A task's environment: its role's credentials, its region, where API and agent are.

MiniStack injects a credentials URL that botocore refuses, since the URL's host is neither loopback
nor the address of the real agent. So the credentials of the role go into the environment.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from local.ecs import agent
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_REGISTER_METADATA: Final = Symbol(
    "services.ecs",
    "_register_metadata",
    (
        "task_arn",
        "cluster_arn",
        "td",
        "cdef",
        "launch_type",
        "env",
        "host_mode",
        "ministack_net_ip",
    ),
)
_REGISTER_SESSION: Final = Symbol("services.sts", "register_session", ("access_key", "session"))

SYMBOLS: Final = (_REGISTER_METADATA, _REGISTER_SESSION)

TASK_KEYS: Final[set[str]] = set()
"""The access keys of all tasks since the start."""

_SESSION_SECONDS: Final = 12 * 3600
_REFUSED_BY_BOTOCORE: Final = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)


def install(endpoint_for: Callable[[str], str]) -> None:
    """Complete the environment of every container.

    Args:
        endpoint_for: where a container made from an image reaches this server.
    """
    _REGISTER_METADATA.wrap(lambda register: _completing(register, endpoint_for))


def _completing(register: Any, endpoint_for: Callable[[str], str]) -> Any:
    def complete(  # noqa: PLR0913, PLR0917 - MiniStack's own signature
        task_arn: str,
        cluster_arn: str,
        td: dict[str, Any],
        cdef: dict[str, Any],
        launch_type: str,
        env: dict[str, str],
        host_mode: bool,  # noqa: FBT001 - the same
        ministack_net_ip: str | None,
    ) -> Any:
        from ministack.core.responses import get_region

        declared = dict(env)
        token = register(
            task_arn, cluster_arn, td, cdef, launch_type, env, host_mode, ministack_net_ip
        )
        for name in _REFUSED_BY_BOTOCORE:
            env.pop(name, None)
        url = endpoint_for(cdef["image"])
        metadata_path = urlsplit(env["ECS_CONTAINER_METADATA_URI_V4"]).path
        env |= {"AWS_ENDPOINT_URL": url, "ECS_CONTAINER_METADATA_URI_V4": url + metadata_path}
        env["ECS_AGENT_URI"] = agent.uri(url, token)
        env |= {"AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region()}
        env["AWS_EXECUTION_ENV"] = f"AWS_ECS_{launch_type}"
        if td.get("taskRoleArn"):
            env |= _credentials(td["taskRoleArn"], task_arn)
        # What the task definition or an override says wins, as on Fargate.
        env |= declared
        return token

    return complete


def _credentials(role_arn: str, task_arn: str) -> dict[str, str]:
    """Open a session of the role and return it as environment variables."""
    account_id = role_arn.split(":")[4]
    role = role_arn.rsplit("/", 1)[1]
    session = task_arn.rsplit("/", 1)[1].replace("-", "")
    access_key = "ASIA" + secrets.token_hex(8).upper()
    TASK_KEYS.add(access_key)
    secret, token = secrets.token_hex(20), secrets.token_hex(64)
    _REGISTER_SESSION.get()(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role}/{session}",
            "UserId": f"AROA{role[:12].upper()}:{session}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + _SESSION_SECONDS,
            "AccountId": account_id,
            "PrincipalType": "AssumedRole",
        },
    )
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }
