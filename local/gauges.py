"""Metrics that AWS publishes by itself: queue depths, and what services have and use.

One point a minute, which is overwritten while the minute lasts, so that averages are those of AWS
and an alarm still sees a change within seconds.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from local.symbols import Symbol

_QUEUES: Final = Symbol("services.sqs", "_queues")
_BUCKET: Final = Symbol("services.cloudwatch", "_metric_bucket", ("key",))
_DIMENSIONS_KEY: Final = Symbol("services.cloudwatch", "_dims_key", ("dims",))
_METRICS: Final = Symbol("services.cloudwatch", "_metrics")
_SERVICES: Final = Symbol("services.ecs", "_services")
_CLUSTERS: Final = Symbol("services.ecs", "_clusters")
_TASKS: Final = Symbol("services.ecs", "_tasks")
_GET_CLIENT: Final = Symbol("services.ecs", "_get_docker", ())

SYMBOLS: Final = (
    _QUEUES,
    _BUCKET,
    _DIMENSIONS_KEY,
    _METRICS,
    _SERVICES,
    _CLUSTERS,
    _TASKS,
    _GET_CLIENT,
)

_log = logging.getLogger("local.gauges")

_MINUTE: Final = 60
_KEPT_SECONDS: Final = 3 * 3600
_INSIGHTS: Final = "ECS/ContainerInsights"
_PUBLISHED_HERE: Final = frozenset({"AWS/SQS", "AWS/ECS", "AWS/Events", _INSIGHTS})
_CPU_UNITS: Final = 1024

_cpu_seconds: dict[str, tuple[float, float]] = {}
"""By container: when its CPU time was read last, and how much it was."""


def publish() -> None:
    """Publish all of them for the account and region in hand."""
    _publish_queues()
    _publish_services()
    _forget_old()


def set_gauge(
    namespace: str, metric: str, value: float, dimensions: dict[str, str], *, begin: bool = True
) -> None:
    """Write this minute's point; without `begin` only if there is one already."""
    bucket = _BUCKET.get()((namespace, metric, _DIMENSIONS_KEY.get()(dimensions)))
    minute = int(time.time() // _MINUTE * _MINUTE)
    if bucket and bucket[-1]["Timestamp"] == minute:
        bucket[-1]["Value"] = float(value)
        return
    if not begin:
        return
    bucket.append(
        {"Timestamp": minute, "Value": float(value), "Unit": "None", "Dimensions": dimensions}
    )


def _publish_queues() -> None:
    now = time.time()
    for queue in list(_QUEUES.get().values()):
        messages = list(queue["messages"])
        dimensions = {"QueueName": queue["name"]}
        received = [message for message in messages if message["receive_count"]]
        visible = [message for message in messages if message["visible_at"] <= now]
        in_flight = [message for message in received if message["visible_at"] > now]
        age = max((now - message["sent_at"] for message in messages), default=0)
        delayed = len(messages) - len(visible) - len(in_flight)
        set_gauge("AWS/SQS", "ApproximateNumberOfMessagesVisible", len(visible), dimensions)
        # Of these there are no data points where there are no messages. "Reporting behavior" in
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
        # sqs-available-cloudwatch-metrics.html
        for metric, value in (
            ("ApproximateNumberOfMessagesNotVisible", len(in_flight)),
            ("ApproximateNumberOfMessagesDelayed", delayed),
            ("ApproximateAgeOfOldestMessage", age),
        ):
            set_gauge("AWS/SQS", metric, value, dimensions, begin=bool(value))


def _publish_services() -> None:
    for key, service in list(_SERVICES.get().items()):
        if service["status"] != "ACTIVE":
            continue
        cluster, name = key.split("/", 1)
        dimensions = {"ClusterName": cluster, "ServiceName": name}
        running = [
            task
            for task in _TASKS.get().values()
            if task.get("group") == f"service:{name}"
            and task["clusterArn"] == service["clusterArn"]
            and task["lastStatus"] == "RUNNING"
        ]
        shares = [share for task in running if (share := _cpu_share(task)) is not None]
        if shares:
            set_gauge("AWS/ECS", "CPUUtilization", sum(shares) / len(shares), dimensions)
        if _has_insights(cluster):
            for metric, value in (
                ("DesiredTaskCount", service["desiredCount"]),
                ("PendingTaskCount", service["pendingCount"]),
                ("RunningTaskCount", len(running)),
            ):
                set_gauge(_INSIGHTS, metric, value, dimensions)


def _has_insights(cluster: str) -> bool:
    settings = (_CLUSTERS.get().get(cluster) or {}).get("settings") or ()
    return any(
        setting["name"] == "containerInsights" and setting["value"] in ("enabled", "enhanced")
        for setting in settings
    )


def _cpu_share(task: dict[str, Any]) -> float | None:
    """The percentage of its CPU units that a task used since the last reading."""
    client, now = _GET_CLIENT.get()(), time.monotonic()
    used, elapsed = 0.0, 0.0
    for container_id in task.get("_docker_ids") or ():
        seconds = client.containers.cpu_seconds(container_id)
        if seconds is None:
            continue
        before = _cpu_seconds.get(container_id)
        _cpu_seconds[container_id] = (now, seconds)
        if before is not None and now > before[0]:
            elapsed = now - before[0]
            used += seconds - before[1]
    cores = int(task.get("cpu") or 256) / _CPU_UNITS
    return 100 * used / elapsed / cores if elapsed else None


def _forget_old() -> None:
    limit = time.time() - _KEPT_SECONDS
    for (namespace, _, _), points in list(_METRICS.get().items()):
        if namespace in _PUBLISHED_HERE:
            points[:] = [point for point in points if point["Timestamp"] >= limit]
