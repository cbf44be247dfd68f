"""The container's command, started as a process of its own, as ECS starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batchkit.claims import claim_key
from batchkit.events import S3Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.images.conftest import Place

COMMON = Path(__file__).parents[3] / "images" / "common"
STAGE = "toy-stage"
# The handler says that it began, then does what the object's key tells it.
HANDLER = """
import sys, time
def handle(event, context):
    print("began", flush=True)
    if event.key == "slow":
        time.sleep(1)
    if event.key == "endless":
        time.sleep(600)
    if event.key == "bad":
        raise ValueError("cannot do this")
"""


@pytest.fixture
def start(place: Place, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    package = tmp_path / "toy_stage"
    package.mkdir()
    (package / "__init__.py").write_text(HANDLER)

    def start(command: str, key: str = "", grace: float = 100, **extra: str) -> Any:
        script = (
            "import sys, batchkit.__main__ as m; "
            f"m.GRACE_SECONDS = {grace}; sys.exit(m.main([{command!r}]))"
        )
        environment = {
            **os.environ,
            **place.variables(STAGE),
            "PYTHONPATH": f"{COMMON}{os.pathsep}{tmp_path}",
            "TMPDIR": str(tmp_path),
            "EVENT_BUCKET": place.input_bucket,
            "EVENT_KEY": key,
            "EVENT_VERSION_ID": "null",
            **extra,
        }
        return subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
        )

    return start


def finished(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    output, _ = process.communicate(timeout=30)
    lines = [line for line in output.splitlines() if line != "began"]
    return process.returncode, [json.loads(line) for line in lines]


def until_begun(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while process.stdout.readline() != "began\n":
        assert process.poll() is None


def claim(place: Place, key: str) -> dict[str, Any]:
    return place.claims.find(claim_key(STAGE, S3Event(place.input_bucket, key)))


def test_run_works_its_event(start: Any, place: Place) -> None:
    code, lines = finished(start("run", "good"))
    assert code == 0
    assert {line["stage"] for line in lines} == {STAGE}
    assert claim(place, "good")["state"] == "done"


def test_run_that_fails_says_why_in_its_last_line(start: Any, place: Place) -> None:
    code, lines = finished(start("run", "bad"))
    assert code == 1
    assert lines[-1]["message"] == "Failed: ValueError: cannot do this"
    assert lines[-1]["run_id"].startswith("bad-")
    assert claim(place, "bad")["state"] == "failed"


def test_run_after_its_last_attempt_leaves_a_dead_letter(start: Any, place: Place) -> None:
    assert [finished(start("run", "bad"))[0] for _ in range(3)] == [1, 1, 1]
    assert claim(place, "bad")["state"] == "dead"
    # ECS's events of the failed tasks find nothing more to do.
    assert finished(start("run", "bad"))[0] == 0


def test_reconcile_sends_what_was_dropped_and_tells_how_runs_stand(
    start: Any, place: Place
) -> None:
    event = place.upload("positions/a.csv", b"x")
    place.ledger.begin(place.run_id(event), event)
    route = {
        "name": STAGE,
        "bucket": "input",
        "key_pattern": "positions/*",
        "queue_url": place.queue_url,
    }
    limits = {"RUN_EXPECTED_MINUTES": "0", "RECONCILE_LOOKBACK_HOURS": "72"}
    code, lines = finished(start("reconcile", STAGES=json.dumps([route]), **limits))
    assert code == 0
    assert {line["stage"] for line in lines} == {"reconcile"}
    # What is so young is on its way.
    assert lines[-2]["message"] == (
        "Looked at 1 inputs: 1 runs are open, 1 of them overdue; put 0 on the queues."
    )
    assert lines[-1]["OverdueRuns"] == 1
    assert lines[-1]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Environment"]]


def test_reconcile_that_cannot_reach_a_queue_tells_how_runs_stand_and_fails(
    start: Any, place: Place
) -> None:
    route = {
        "name": STAGE,
        "bucket": "input",
        "key_pattern": "positions/*",
        "queue_url": place.queue_url + "-gone",
    }
    limits = {"RUN_EXPECTED_MINUTES": "0", "RECONCILE_LOOKBACK_HOURS": "72"}
    code, lines = finished(start("reconcile", STAGES=json.dumps([route]), **limits))
    assert code == 1
    assert lines[-2]["OverdueRuns"] == 0
    assert "QueueDoesNotExist" in lines[-1]["message"]


@pytest.mark.parametrize(
    ("command", "extra", "message"),
    [
        ("run", {"DEAD_LETTER_QUEUE_URL": ""}, "DEAD_LETTER_QUEUE_URL"),
        ("run", {"TASK_PRICE_PER_HOUR": "cheap"}, "TASK_PRICE_PER_HOUR is 'cheap'"),
        ("reconcile", {}, "STAGES"),
        ("reconcile", {"STAGES": "[1]"}, "STAGES must be a JSON list"),
        ("reconcile", {"STAGES": "[]"}, "RECONCILE_LOOKBACK_HOURS is ''"),
        ("run", {"EVENT_BUCKET": ""}, "EVENT_BUCKET and EVENT_KEY not set"),
        ("run", {"LEDGER_TABLE": ""}, "LEDGER_TABLE"),
        ("run", {"STAGE": "no-such-stage"}, "no package 'no_such_stage'"),
        ("work", {"QUEUE_URL": ""}, "not set: QUEUE_URL"),
    ],
)
def test_a_wrong_environment_is_one_clear_line(
    start: Any, command: str, extra: dict[str, str], message: str
) -> None:
    code, lines = finished(start(command, **extra))
    assert code == 2
    assert message in lines[-1]["message"]
    assert "traceback" not in lines[-1]


def test_a_stopped_run_finishes_when_it_can(start: Any, place: Place) -> None:
    process = start("run", "slow")
    until_begun(process)
    process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 0
    assert claim(place, "slow")["state"] == "done"


def test_a_stopped_run_gives_back_what_it_cannot_finish(start: Any, place: Place) -> None:
    process = start("run", "endless", grace=0.2)
    until_begun(process)
    process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 143
    item = claim(place, "endless")
    assert (item["state"], item["attempts"]) == ("failed", 0)


def test_a_waiting_worker_stops_and_is_healthy_until_then(
    start: Any, place: Place, tmp_path: Path
) -> None:
    process = start("work")
    deadline = time.monotonic() + 20
    while not (tmp_path / "heartbeat").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "Waiting for messages" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    # A poll may last; a message ends it, and is left for others.
    place.session.client("sqs").send_message(QueueUrl=place.queue_url, MessageBody="x")
    code, lines = finished(process)
    assert code == 0
    assert lines[-1]["message"] == "Stopped."
