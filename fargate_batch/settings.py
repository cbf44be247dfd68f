"""An environment's settings, as config/config.yaml and config/<environment>/config.yaml give them.

Sceptre hands both files' `sceptre_user_data` over as one dictionary; `load` checks it and returns
typed values. Every template reads its settings through here and nowhere else.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Network
from math import ceil, log2
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from fargate_batch.catalogue import Dispatch, Model, Stage
from fargate_batch.errors import UserError
from fargate_batch.names import PLATFORM_NAMES, RECONCILE, GivenNames
from fargate_batch.setting_problems import explain

__all__ = [
    "Alarms",
    "Capacity",
    "Dispatch",
    "Endpoint",
    "Network",
    "Reconcile",
    "Settings",
    "Stage",
    "Storage",
    "load",
]

# CloudWatch Logs accepts these and no others.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_Days = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545]
_Years = Literal[731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
RetentionDays = Literal[_Days, _Years]

ZONES: Final = 3
# https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
RESERVED_ADDRESSES: Final = 5


class Endpoint(StrEnum):
    """The services that the subnets can reach through an interface endpoint."""

    ECR_API = "ecr.api"
    ECR_DOCKER = "ecr.dkr"
    LOGS = "logs"
    ECS = "ecs"
    ECS_AGENT = "ecs-agent"
    ECS_TELEMETRY = "ecs-telemetry"
    SQS = "sqs"
    KMS = "kms"
    STS = "sts"
    EVENTS = "events"


# A Fargate task cannot start without these, and every worker polls its queue.
REQUIRED_ENDPOINTS: Final = frozenset(
    {Endpoint.ECR_API, Endpoint.ECR_DOCKER, Endpoint.LOGS, Endpoint.ECS, Endpoint.SQS}
)


class Network(Model):
    """The VPC's size and where its interface endpoints stand."""

    cidr: IPv4Network
    """The VPC's addresses; three quarters become the subnets."""
    endpoint_zones: Annotated[int, Field(ge=1, le=3)]
    """Each interface endpoint costs by the hour in each of these zones."""
    endpoints: tuple[Endpoint, ...]
    """The services that get an interface endpoint."""
    flow_log_retention_days: RetentionDays = 30
    """How long the VPC's flow logs are kept."""

    @property
    def subnets(self) -> tuple[IPv4Network, ...]:
        """Three equal subnets, one a zone; the fourth quarter of the range stays free."""
        return tuple(self.cidr.subnets(prefixlen_diff=2))[:ZONES]

    @model_validator(mode="after")
    def _possible(self) -> Network:
        if not 16 <= self.cidr.prefixlen <= 24:
            raise ValueError(f"cidr is {self.cidr}; choose a prefix from /16 to /24")
        if not self.cidr.is_private:
            raise ValueError(f"cidr is {self.cidr}; choose a private range (RFC 1918)")
        missing = sorted(REQUIRED_ENDPOINTS - set(self.endpoints))
        if missing:
            raise ValueError(f"endpoints lack {', '.join(missing)}; tasks do not work without")
        if len(set(self.endpoints)) != len(self.endpoints):
            raise ValueError("endpoints name one service twice")
        return self


class Capacity(Model):
    """How tasks are shared out between FARGATE and FARGATE_SPOT."""

    fargate_base: Annotated[int, Field(ge=0, le=1000)]
    """So many tasks of a service run on FARGATE before the weights count; rules know no base."""
    fargate_weight: Annotated[int, Field(ge=0, le=1000)]
    """FARGATE's share of the other tasks."""
    fargate_spot_weight: Annotated[int, Field(ge=0, le=1000)]
    """FARGATE_SPOT's share; cheaper, and stopped with two minutes' notice."""

    @model_validator(mode="after")
    def _some_weight(self) -> Capacity:
        if self.fargate_weight + self.fargate_spot_weight == 0:
            raise ValueError("fargate_weight and fargate_spot_weight are both 0; one must be more")
        return self

    @property
    def spot_share(self) -> float:
        """The part of the tasks beyond the base that run on FARGATE_SPOT."""
        return self.fargate_spot_weight / (self.fargate_weight + self.fargate_spot_weight)


class Storage(Model):
    """How long objects and queue messages live."""

    input_expiry_days: Annotated[int, Field(ge=1, le=3650)]
    """After how long positions and market data are deleted."""
    output_expiry_days: Annotated[int, Field(ge=1, le=3650)]
    """After how long a run's objects, its report included, are deleted."""
    noncurrent_expiry_days: Annotated[int, Field(ge=1, le=365)] = 7
    """After how long overwritten or deleted versions are deleted for good."""
    access_log_expiry_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """After how long the buckets' access logs are deleted."""
    message_retention_days: Annotated[int, Field(ge=1, le=14)] = 14
    """How long a queue keeps a message that nobody works."""


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValueError("an e-mail address is one name@domain")
    return value


class Alarms(Model):
    """When somebody is called."""

    task_failures: Annotated[int, Field(ge=1)] = 5
    """More than so many failed tasks ..."""
    task_failure_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    """... in so many minutes raise the alarm."""
    queue_age_minutes: Annotated[int, Field(ge=1, le=20160)] = 30
    """A message that waits in a stage's queue for longer raises an alarm."""
    run_expected_minutes: Annotated[int, Field(ge=1, le=20160)] = 60
    """A run that is open for longer raises an alarm."""
    rejects: Annotated[int, Field(ge=0)] = 5
    """More than so many rejected inputs ..."""
    reject_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """... in so many minutes raise an alarm."""
    email: Annotated[str, AfterValidator(_email)] | None = None
    """Who is written to; ~ leaves the topic without a subscriber."""


class Reconcile(Model):
    """The task that looks for work that nobody does, and puts it on its queue."""

    # Less than six hours, for it keeps the queues active too.
    every_minutes: Annotated[int, Field(ge=5, le=240)] = 15
    """How often lost work is looked for, and how long it waits at most."""
    lookback_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """Whose input is older is not looked for; `batch reconcile --all` knows no age."""


def _folder_name(name: str) -> str:
    # S3 and ECR names are lower-case, so the suffix is too, though CloudFormation would take more.
    if not re.fullmatch("[a-z0-9]+", name):
        raise ValueError(
            f"the folder config/{name} gives the environment its name, which may hold lower-case "
            "letters and digits only; rename the folder"
        )
    return name


def _account_id(value: Any) -> Any:
    # Without quotes YAML reads a number, and one that begins with 0 in another base.
    if value is not None and not (isinstance(value, str) and re.fullmatch("[0-9]{12}", value)):
        raise ValueError('an account id is twelve digits in quotes, e.g. "123456789012"')
    return value


class Settings(Model):
    """Everything that a template may ask about its environment."""

    project: Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$", max_length=20)]
    environment: Annotated[str, Field(max_length=12), AfterValidator(_folder_name)]
    account_id: Annotated[str, BeforeValidator(_account_id)] | None = None
    """The account that a launch must find; empty accepts any."""
    allow_destruction: bool
    """Whether `sceptre delete` may destroy data; without it nothing at all is deleted."""
    base_image: str
    network: Network
    capacity: Capacity
    storage: Storage
    log_retention_days: RetentionDays
    """How long the stages' logs are kept."""
    container_insights: Literal["enhanced", "enabled", "disabled"]
    """How much CloudWatch measures of the cluster; each step costs more. With `disabled` nobody
    counts running tasks, and a queue's backlog per task is not held."""
    alarms: Alarms
    reconcile: Reconcile = Reconcile()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique_stages(self) -> Settings:
        stages = [stage.name for stage in self.stages]
        if len(set(stages)) != len(stages):
            raise ValueError(f"stages {stages} name one stage twice")
        names = GivenNames(self.project, self.environment)
        others = {
            name(stage) for stage in stages for name in (names.retry_rule, names.dead_letter_queue)
        }
        taken = sorted(
            stage for stage in stages if stage in PLATFORM_NAMES or names.of(stage) in others
        )
        if taken:
            raise ValueError(
                f"the platform itself has rules, queues or logs called {', '.join(taken)}; "
                "call the stage something else"
            )
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> Settings:
        names = GivenNames(self.project, self.environment)
        stage = max((RECONCILE, *(stage.name for stage in self.stages)), key=len)
        region = "x" * 14  # as long as the longest but for isolated ones, e.g. ap-southeast-1
        for kind, limit, name in (
            ("role", 64, names.execution_role(stage, region)),
            ("bucket", 63, names.bucket("access-logs", "0" * 12, region)),
        ):
            if len(name) > limit:
                raise ValueError(
                    f"the {kind} {name} would have {len(name)} characters and AWS allows {limit}; "
                    "shorten the environment's folder name, the project's or the stage's"
                )
        return self

    @property
    def counts_tasks(self) -> bool:
        """Whether somebody counts running tasks: Container Insights does, unless it is off.

        Without it a queue's length is followed by the steps of the backlog policy alone.
        """
        return self.container_insights != "disabled"

    @property
    def addresses_needed(self) -> int:
        """Addresses that each subnet must have.

        A rolling deployment runs a service's old and new tasks side by side, so the peak is twice
        the tasks of all stages, and one that reconciles; when one zone is lost the other two carry
        it. Beside the tasks stand one address for each interface endpoint and those that AWS keeps.
        """
        peak = 2 * sum(stage.scaling.max_tasks for stage in self.stages) + 1
        return ceil(peak / (ZONES - 1)) + len(self.network.endpoints) + RESERVED_ADDRESSES

    @model_validator(mode="after")
    def _room_for_tasks(self) -> Settings:
        subnet = self.network.subnets[0]
        if subnet.num_addresses < self.addresses_needed:
            tasks = sum(stage.scaling.max_tasks for stage in self.stages)
            prefix = 32 - ceil(log2(self.addresses_needed)) - 2
            raise ValueError(
                f"network.cidr {self.network.cidr} gives each subnet {subnet.num_addresses} "
                f"addresses; {tasks} tasks at once need {self.addresses_needed}. "
                + (
                    f"Choose a /{prefix} or larger, or lower the stages' scaling.max_tasks."
                    if prefix >= 16
                    else "No VPC is that large; lower the stages' scaling.max_tasks."
                )
            )
        return self

    def stage(self, name: str) -> Stage:
        """Return the stage of that name.

        Raises:
            UserError: the catalogue has no such stage.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(stage.name for stage in self.stages)
        raise UserError(f"There is no stage '{name}' in config/config.yaml; it has {known}.")


def load(user_data: dict[str, Any]) -> Settings:
    """Check `sceptre_user_data` and return it typed.

    `stages` maps a stage's name to its catalogue row; `stage_settings` maps a stage's name to the
    fields of that row which this environment sets differently. Of a field that is a mapping, such
    as `environment`, what is not named stays as it is in the row.

    Raises:
        UserError: a value is missing, unknown or out of range; the message names file and field.
    """
    values = dict(user_data)
    environment = str(values.get("environment", "<environment>"))
    catalogue = _rows(values.pop("stages", None), "config/config.yaml: sceptre_user_data.stages")
    here = f"config/{environment}/config.yaml: sceptre_user_data.stage_settings"
    overrides = _rows(values.pop("stage_settings", None), here)
    unknown = sorted(set(overrides) - set(catalogue))
    if unknown:
        raise UserError(
            f"{here}: there is no stage {', '.join(unknown)}; "
            f"the catalogue in config/config.yaml has {', '.join(catalogue)}."
        )
    values["stages"] = [
        {**_changed(row, overrides.get(name, {})), "name": name} for name, row in catalogue.items()
    ]
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error, environment, list(catalogue), overrides)) from error


def _changed(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    changed = dict(row)
    for field, value in changes.items():
        before = row.get(field)
        if isinstance(before, dict) and isinstance(value, dict):
            changed[field] = {**before, **value}
        else:
            changed[field] = value
    return changed


def _rows(value: Any, place: str) -> dict[str, dict[str, Any]]:
    """A mapping of stage names to their fields; nothing at all is an empty one."""
    if not isinstance(value or {}, dict):
        raise UserError(f"{place}: must map each stage's name to its settings.")
    rows = dict(value or {})
    for name, row in rows.items():
        if not isinstance(row or {}, dict):
            raise UserError(f"{place}.{name}: must hold the stage's settings, not {row!r}.")
    return {str(name): dict(row or {}) for name, row in rows.items()}
