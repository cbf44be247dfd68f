"""EventBridge to ECS RunTask: the call, its retries, and the dead-letter queue."""

from __future__ import annotations

import json
import logging
import random
import time
from dataclasses import dataclass
from typing import Any, Final

from local.casing import camel_case
from local.events import log_target, metrics, permissions
from local.events.pending import Pending
from local.faults import tasks
from local.responses import RefusedError, payload_of
from local.symbols import Symbol

_INVOKE: Final = Symbol(
    "services.eventbridge", "_invoke_target", ("target", "event", "rule", "view")
)
_VIEW: Final = Symbol("services.eventbridge", "_pattern_event_view", ("event",))
_TRANSFORM: Final = Symbol(
    "services.eventbridge", "_apply_input_transformer", ("transformer", "rule", "view")
)
_RUN_TASK: Final = Symbol("services.ecs", "_run_task", ("data",))

SYMBOLS: Final = (_INVOKE, _VIEW, _TRANSFORM, _RUN_TASK)

_log = logging.getLogger("local.events")

_MAX_ATTEMPTS: Final = 185
_MAX_AGE_SECONDS: Final = 24 * 3600
_FIRST_DELAY_SECONDS: Final = 1.0
_LONGEST_DELAY_SECONDS: Final = 300.0
_CODES: Final = {"AccessDeniedException": "NO_PERMISSIONS"}
_RETRYABLE: Final = frozenset({"ThrottlingException", "ServerException", "ServiceUnavailable"})


@dataclass(frozen=True)
class _Failure:
    code: str
    message: str
    retryable: bool


def install() -> None:
    """Take the targets that MiniStack drops: ECS clusters and log groups."""
    others = _INVOKE.get()

    def invoke(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        metrics.count("Invocations", rule)
        arn = target.get("Arn", "")
        if ":logs:" in arn:
            log_target.put(arn, view or _VIEW.get()(event))
            return
        if ":sqs:" in arn and not permissions.may_send(arn, rule):
            refusal = _Failure("NO_PERMISSIONS", f"No permission to send to {arn}", retryable=False)
            _give_up(target, rule, view or _VIEW.get()(event), refusal, 0, None)
            return
        if ":ecs:" not in arn:
            others(target, event, rule, view)
            return
        # In the background: an invocation may wait between attempts, and S3's caller must not.
        deliveries.start(target, rule, event)

    _INVOKE.set(invoke)


def _deliver(target: dict[str, Any], rule: dict[str, Any], event: dict[str, Any]) -> None:
    view = _VIEW.get()(event)
    policy = target.get("RetryPolicy") or {}
    attempts = int(policy.get("MaximumRetryAttempts", _MAX_ATTEMPTS))
    deadline = time.monotonic() + int(policy.get("MaximumEventAgeInSeconds", _MAX_AGE_SECONDS))
    retries = 0
    while (failure := _attempt(target, rule, view)) is not None:
        delay = min(_FIRST_DELAY_SECONDS * 2**retries, _LONGEST_DELAY_SECONDS)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        exhausted = None
        if retries >= attempts:
            exhausted = "MaximumRetryAttempts"
        elif time.monotonic() + delay > deadline:
            exhausted = "MaximumEventAgeInSeconds"
        if exhausted or not failure.retryable:
            condition = exhausted if failure.retryable else None
            _give_up(target, rule, view, failure, retries, condition)
            return
        _log.info("Rule %s: %s; next attempt in %.1f s", rule["Name"], failure.message, delay)
        time.sleep(delay)
        retries += 1
        metrics.count("RetryInvocationAttempts", rule)


deliveries: Final = Pending(_deliver, "local-events-delivery")
"""What EventBridge has still to deliver to ECS."""


def _attempt(target: dict[str, Any], rule: dict[str, Any], view: Any) -> _Failure | None:
    try:
        request = _request(target, rule, view)
        permissions.check_run_task(target.get("RoleArn"), request)
        answer = tasks.unplaced(rule["Name"]) or payload_of(_RUN_TASK.get()(request))
    except RefusedError as error:
        retryable = error.code in _RETRYABLE or error.status >= 500
        code = _CODES.get(error.code, "SDK_CLIENT_ERROR")
        return _Failure(code, f"{error.code}: {error.message}", retryable=retryable)
    except (TypeError, ValueError) as error:
        return _Failure("INVALID_JSON", str(error), retryable=False)
    # RunTask answers 200 when it could place nothing. To EventBridge that is a success: no retry,
    # no dead letter. So it is on AWS, and so it must be here.
    for failure in answer.get("failures") or ():
        _log.warning("Rule %s: RunTask placed no task: %s", rule["Name"], failure)
    return None


def _request(target: dict[str, Any], rule: dict[str, Any], view: Any) -> dict[str, Any]:
    """RunTask's request for the event.

    Raises:
        ValueError: the target's input is not JSON.
        TypeError: it is JSON, but no object.
    """
    parameters = camel_case(target.get("EcsParameters") or {})
    request = {
        "cluster": target["Arn"],
        "taskDefinition": parameters["taskDefinitionArn"],
        "count": parameters.get("taskCount", 1),
        "startedBy": f"events-rule/{rule['Name']}"[:36],
    }
    for name in _PASSED_ON:
        if parameters.get(name):
            request[name] = parameters[name]
    network = parameters.get("networkConfiguration") or {}
    vpc = network.get("awsvpcConfiguration") or network.get("awsVpcConfiguration")
    if vpc:
        request["networkConfiguration"] = {"awsvpcConfiguration": vpc}
    overrides = _input(target, rule, view)
    if overrides is not None:
        request["overrides"] = overrides
    return request


_PASSED_ON: Final = (
    "launchType",
    "platformVersion",
    "group",
    "propagateTags",
    "enableExecuteCommand",
    "enableECSManagedTags",
    "capacityProviderStrategy",
    "tags",
)


def _input(target: dict[str, Any], rule: dict[str, Any], view: Any) -> dict[str, Any] | None:
    if target.get("InputTransformer"):
        text = _TRANSFORM.get()(target["InputTransformer"], rule, view)
    elif target.get("Input"):
        text = target["Input"]
    else:
        # The event itself is not a set of overrides, and ECS ignores what it does not know.
        return None
    overrides = json.loads(text)
    if not isinstance(overrides, dict):
        raise TypeError(f"the target's input is no JSON object: {text}")
    return overrides


def _give_up(  # noqa: PLR0913, PLR0917 - what a dead letter tells
    target: dict[str, Any],
    rule: dict[str, Any],
    view: Any,
    failure: _Failure,
    retries: int,
    exhausted: str | None,
) -> None:
    metrics.count("FailedInvocations", rule)
    _log.error("Rule %s: event not delivered: %s", rule["Name"], failure.message)
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        return
    attributes = {
        "RULE_ARN": rule["Arn"],
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.message,
        "RETRY_ATTEMPTS": str(retries),
    }
    if exhausted:
        attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
    if not permissions.may_send(queue_arn, rule):
        _log.error("Rule %s: the policy of %s refuses the dead letter", rule["Name"], queue_arn)
        metrics.count("InvocationsFailedToBeSentToDlq", rule)
    elif _send_dead_letter(queue_arn, json.dumps(view.event_with_detail()), attributes):
        metrics.count("InvocationsSentToDlq", rule)
    else:
        metrics.count("InvocationsFailedToBeSentToDlq", rule)


def _send_dead_letter(queue_arn: str, body: str, attributes: dict[str, str]) -> bool:
    from local.selfcall import client

    queue_name = queue_arn.rsplit(":", 1)[1]
    sqs = client("sqs")
    try:
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=queue_name)["QueueUrl"],
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value or "-"}
                for name, value in attributes.items()
            },
        )
    except sqs.exceptions.ClientError as error:
        _log.error("Dead letter for %s not sent: %s", queue_name, error)
        return False
    return True
