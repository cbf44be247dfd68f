"""AWS/Events metrics of each rule, which alarms on failed tasks are made from."""

from __future__ import annotations

from typing import Any, Final

from local.symbols import Symbol

_RECORD: Final = Symbol(
    "services.cloudwatch",
    "record_metric",
    ("namespace", "metric_name", "value", "unit", "dimensions"),
)
_DISPATCH: Final = Symbol("services.eventbridge", "_dispatch_event", ("event", "view"))
_RULES: Final = Symbol("services.eventbridge", "_rules")
_TARGETS: Final = Symbol("services.eventbridge", "_targets")
_INVOKE: Final = Symbol(
    "services.eventbridge", "_invoke_target", ("target", "event", "rule", "view")
)
_VIEW: Final = Symbol("services.eventbridge", "_pattern_event_view", ("event",))
_MATCHES: Final = Symbol(
    "services.eventbridge", "_matches_pattern_view", ("pattern_str", "view", "owner")
)

SYMBOLS: Final = (_RECORD, _DISPATCH, _RULES, _TARGETS, _INVOKE, _VIEW, _MATCHES)

_DEFAULT_BUS: Final = "default"


def install() -> None:
    """Count what each rule matches."""
    _DISPATCH.set(_dispatch)


def count(metric: str, rule: dict[str, Any]) -> None:
    """Add one to a metric of the rule, under the dimensions that AWS uses."""
    dimensions = {"RuleName": rule["Name"]}
    bus = rule.get("EventBusName", _DEFAULT_BUS)
    if bus != _DEFAULT_BUS:
        dimensions["EventBusName"] = bus
    _RECORD.get()("AWS/Events", metric, 1, unit="Count", dimensions=dimensions)


def _dispatch(event: dict[str, Any], view: Any = None) -> None:
    """Hand an event to every rule that matches it.

    MiniStack's own does the same and tells nobody which rules matched.
    """
    bus = event.get("EventBusName", _DEFAULT_BUS)
    already = set(event.get("_DispatchPath") or ())
    view = view or _VIEW.get()(event)
    for key, rule in list(_RULES.get().items()):
        if (
            rule.get("EventBusName", _DEFAULT_BUS) != bus
            or key in already
            or rule.get("State") != "ENABLED"
            or not rule.get("EventPattern")
            or not _MATCHES.get()(rule["EventPattern"], view, f"rule {key}")
        ):
            continue
        count("MatchedEvents", rule)
        count("TriggeredRules", rule)
        for target in list(_TARGETS.get().get(key, ())):
            _INVOKE.get()(target, event, rule, view)
