"""Draws what README says about the config from the config itself.

`python docs/generate.py` rewrites the parts of README.md between `<!-- generated: NAME -->` and
`<!-- end -->`; `--check` only compares and exits with 1 when one is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfn_flip import load
from pydantic import BaseModel

from fargate_batch import prices, project
from fargate_batch.catalogue import Stage
from fargate_batch.names import StackPath
from fargate_batch.settings import Settings
from fargate_batch.template import reconcile

if TYPE_CHECKING:
    from sceptre.stack import Stack


PROJECT: Final = Path(__file__).parents[1]
README: Final = PROJECT / "README.md"


def environments() -> list[str]:
    """The environments that config/ holds, dev first and prod last."""
    order = {"dev": 0, "prod": 2}
    return sorted(project.environments(PROJECT), key=lambda name: (order.get(name, 1), name))


def draw_stacks() -> str:
    """The stacks of dev, an arrow from each to the stacks that need it, a column a level."""
    stacks = project.read_stacks(PROJECT, environments()[0])
    boxes = [f"  {_node(stack.name)}[{_short(stack.name)}]" for stack in stacks]
    arrows = [
        f"  {_node(dependency)} --> {_node(stack)}"
        for stack, dependency in _essential_edges(stacks)
    ]
    return "\n".join(["```mermaid", "flowchart LR", *sorted(boxes), *sorted(arrows), "```"])


def _essential_edges(stacks: set[Stack]) -> set[tuple[str, str]]:
    """Dependencies less those that follow from others, so that the picture can be read."""
    direct = {
        stack.name: {dependency.name for dependency in stack.dependencies} for stack in stacks
    }

    def reach(name: str) -> set[str]:
        return direct[name].union(*(reach(other) for other in direct[name]))

    return {
        (stack, dependency)
        for stack, dependencies in direct.items()
        for dependency in dependencies
        if not any(dependency in reach(other) for other in dependencies - {dependency})
    }


def _short(stack: str) -> str:
    return stack.split("/", 1)[1]


def _node(stack: str) -> str:
    return _short(stack).replace("/", "_")


def draw_flow() -> str:
    """How a file moves through the stages of the catalogue."""
    settings = project.read_settings(PROJECT, environments()[0])
    lines = [
        "```mermaid",
        "flowchart LR",
        "  you((a file)) --> input[(input bucket)]",
        "  output[(output bucket)] --> report((the report))",
    ]
    for stage in settings.stages:
        node = stage.name.replace("-", "_")
        size = f"{stage.cpu / 1024:g} vCPU, {stage.memory / 1024:g} GB"
        lines.append(f'  {node}["{stage.name}<br/>{size}"]')
        lines.append(f'  {stage.source.bucket} -- "{stage.source.key_pattern}" --> {node}')
        lines.append(f"  {node} --> output")
    return "\n".join([*lines, "```"])


def tabulate_settings() -> str:
    """Every setting that an environment states, one column an environment."""
    by_environment = {name: _flatten(_stated(name)) for name in environments()}
    keys = list(dict.fromkeys(key for values in by_environment.values() for key in values))
    rows = [
        [
            f"`{key}`",
            _meaning(key.split(".")),
            *(_show(by_environment[name].get(key)) for name in by_environment),
        ]
        for key in keys
    ]
    return _table(["setting", "what it says", *by_environment], rows)


def _meaning(path: list[str]) -> str:
    """The setting's description, from the model that checks it."""
    model: type[BaseModel] = Settings
    if path == ["region"]:
        return "Where the stacks are created."
    if path[0] == "stage_settings":
        model, path = Stage, path[2:]
    for name in path[:-1]:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise TypeError(f"{name} of {model.__name__} is no part with settings of its own")
        model = inner
    return " ".join((model.model_fields[path[-1]].description or "").split())


def _stated(environment: str) -> dict[str, Any]:
    config = load((PROJECT / "config" / environment / "config.yaml").read_text())[0]
    user_data = config.pop("sceptre_user_data")
    return {**config, **user_data}


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def tabulate_costs() -> str:
    """What an environment costs in a month without a file, from its rendered templates."""
    head = [
        "environment",
        "interface endpoints",
        "zones",
        "metrics with alarms",
        "reconciles a day",
    ]
    parts = ["endpoints", "alarms", "reconcile", "key"]
    rows = []
    for environment in environments():
        counts, costs = _idle(environment)
        money = [*costs, sum(costs)]
        rows.append([environment, *map(str, counts), *(f"{cost:.0f}" for cost in money)])
    return _table([*head, *(f"{part}, USD" for part in parts), "a month, USD"], rows)


def _idle(environment: str) -> tuple[list[int], list[float]]:
    """How much of what stands there always, and what endpoints, alarms, reconcile and key cost."""
    settings = project.read_settings(PROJECT, environment)
    endpoints, zones = _interface_endpoints(environment), settings.network.endpoint_zones
    metrics = _alarmed_metrics(environment)
    daily = 24 * 60 // settings.reconcile.every_minutes
    price = prices.endpoint_price_per_hour(str(_stated(environment)["region"]))
    # It takes seconds, and Fargate charges for a minute at least. Two metrics are its own.
    minutes = daily / 24 * prices.HOURS_IN_MONTH
    task = prices.task_price_per_hour(reconcile.CPU, reconcile.MEMORY_MIB)
    costs = [
        endpoints * zones * price * prices.HOURS_IN_MONTH,
        metrics * prices.ALARM_METRIC_MONTH,
        minutes / 60 * task + 2 * prices.CUSTOM_METRIC_MONTH,
        prices.KEY_MONTH,
    ]
    return [endpoints, zones, metrics, daily], costs


def _interface_endpoints(environment: str) -> int:
    return sum(
        properties.get("VpcEndpointType") == "Interface"
        for properties in _properties(environment, StackPath.ENDPOINTS, "AWS::EC2::VPCEndpoint")
    )


def _alarmed_metrics(environment: str) -> int:
    """The metrics that alarms look at: each is charged, a policy's own two alarms included."""
    alarms = [
        properties
        for path in (StackPath.SERVICES, StackPath.OBSERVABILITY)
        for properties in _properties(environment, path, "AWS::CloudWatch::Alarm")
    ]
    tracked = [
        properties["TargetTrackingScalingPolicyConfiguration"]
        for properties in _properties(
            environment, StackPath.SERVICES, "AWS::ApplicationAutoScaling::ScalingPolicy"
        )
        if "TargetTrackingScalingPolicyConfiguration" in properties
    ]
    specifications = [one.get("CustomizedMetricSpecification", {}) for one in tracked]
    return sum(map(_metrics_in, alarms)) + 2 * sum(map(_metrics_in, specifications))


def _metrics_in(properties: dict[str, Any]) -> int:
    queries = properties.get("Metrics")
    return 1 if queries is None else sum("MetricStat" in query for query in queries)


def _properties(environment: str, path: StackPath, kind: str) -> list[dict[str, Any]]:
    """The properties of all resources of a type in one of the environment's templates."""
    (stack,) = [
        stack
        for stack in project.read_stacks(PROJECT, environment)
        if stack.name == f"{environment}/{path}"
    ]
    template = load(stack.template.body)[0]
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == kind
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def generate(text: str) -> str:
    """README's text with every generated part made again.

    Raises:
        KeyError: the text marks a part that nothing here makes.
    """
    parts = {
        "pictures": lambda: f"{draw_flow()}\n\n{draw_stacks()}",
        "settings": tabulate_settings,
        "costs": tabulate_costs,
    }
    marked = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return marked.sub(lambda match: f"{match[1]}\n{parts[match[2]]()}\n\n{match[3]}", text)


def main() -> int:
    """Rewrite README, or with --check say whether it is out of date."""
    before = README.read_text()
    after = generate(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
