from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.ecs.slots import VARIABLE, Slots, limit
from local.location import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable


def task(number: int, group: str = "family:f") -> dict[str, Any]:
    return {
        "taskArn": str(number),
        "clusterArn": "c",
        "group": group,
        "desiredStatus": "RUNNING",
    }


class Runs:
    """Notes who was started; `settle` waits for the threads."""

    def __init__(self, number: int) -> None:
        self.started: list[str] = []
        self.slots = Slots(number, lambda one: self.started.append(one["taskArn"]))


def joined() -> None:
    for thread in threading.enumerate():
        if thread.name == "local-ecs-slot":
            thread.join()


def test_tasks_beyond_the_slots_start_in_their_order() -> None:
    runs, tasks = Runs(2), [task(number) for number in range(5)]
    for one in tasks:
        runs.slots.start(one)
    assert runs.started == ["0", "1"]
    for one in tasks[:2]:
        runs.slots.release(one)
        joined()
    assert runs.started == ["0", "1", "2", "3"]


def test_a_group_of_which_nothing_runs_does_not_wait() -> None:
    runs = Runs(1)
    for one in (task(0), task(1), task(2, "service:s"), task(3, "service:s")):
        runs.slots.start(one)
    assert runs.started == ["0", "2"]


def test_what_was_stopped_while_it_waited_is_left_out() -> None:
    runs, tasks = Runs(1), [task(number) for number in range(3)]
    for one in tasks:
        runs.slots.start(one)
    tasks[1]["desiredStatus"] = "STOPPED"
    runs.slots.release(tasks[1])
    assert runs.started == ["0"]
    runs.slots.release(tasks[0])
    joined()
    assert runs.started == ["0", "2"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30), st.integers(1, 4))
def test_every_task_runs_once_and_never_more_than_there_is_room_for(
    steps: list[tuple[int, bool]], number: int
) -> None:
    runs, ended = Runs(number), 0
    tasks = [task(index, f"family:{group}") for index, (group, _) in enumerate(steps)]
    for one, (_, ends) in zip(tasks, steps, strict=True):
        runs.slots.start(one)
        joined()
        if ends and ended < len(runs.started):
            runs.slots.release(tasks[int(runs.started[ended])])
            joined()
            ended += 1
        assert len(runs.started) - ended <= number + 4
    while ended < len(runs.started):
        runs.slots.release(tasks[int(runs.started[ended])])
        joined()
        ended += 1
    assert sorted(runs.started, key=int) == [one["taskArn"] for one in tasks]


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")
    assert limit() == 3
    monkeypatch.setenv(VARIABLE, "none")
    with pytest.raises(SettingError, match="positive number"):
        limit()
    monkeypatch.delenv(VARIABLE)
    assert limit() >= 4


def test_a_task_that_waits_can_be_stopped(
    tasks: Any,
    define: Callable[..., str],
    clients: Any,
    cluster: str,
    network: dict[str, Any],
) -> None:
    definition = define()
    many = [
        told["taskArn"]
        for _ in range(-(-limit() // 10) + 1)
        for told in clients.ecs.run_task(
            cluster=cluster,
            taskDefinition=definition,
            count=10,
            networkConfiguration=network,
        )["tasks"]
    ]
    waiting = tasks.describe(many[-1])
    assert waiting["lastStatus"] == "PROVISIONING"
    stopped = clients.ecs.stop_task(cluster=cluster, task=many[-1])["task"]
    assert stopped["lastStatus"] == "STOPPED"
    assert stopped["stopCode"] == "UserInitiated"
    assert "exitCode" not in stopped["containers"][0]
    for arn in reversed(many):
        clients.ecs.stop_task(cluster=cluster, task=arn)
    assert all(tasks.wait(arn) for arn in many)
