from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from batchkit import protection

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTECTED = {"ProtectionEnabled": True, "ExpiresInMinutes": 720}
RELEASED = {"ProtectionEnabled": False}


class Agent(HTTPServer):
    """Answers as the ECS agent does, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = 200
        self.answer: dict[str, Any] = {"protection": {"ProtectionEnabled": True}}
        self.asked: list[tuple[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/api/task"


class _Answer(BaseHTTPRequestHandler):
    server: Agent

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at what was asked."""


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_task_is_protected_for_as_long_as_it_works(agent: Agent) -> None:
    with protection.from_scale_in(agent.url):
        assert agent.asked == [("/api/task/task-protection/v1/state", PROTECTED)]
    assert [state for _, state in agent.asked] == [PROTECTED, RELEASED]


def test_protection_ends_with_work_that_fails(agent: Agent) -> None:
    with pytest.raises(RuntimeError), protection.from_scale_in(agent.url):
        raise RuntimeError("no memory")
    assert [state for _, state in agent.asked] == [PROTECTED, RELEASED]


def test_what_the_agent_takes_is_not_worth_a_word(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    with protection.from_scale_in(agent.url):
        pass
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (400, {"error": {"Code": "AccessDeniedException"}}, "HTTP Error 400"),
        (200, {"failure": {"Reason": "DEPLOYMENT_BLOCKED"}}, "DEPLOYMENT_BLOCKED"),
    ],
)
def test_work_goes_on_where_the_agent_refuses(
    agent: Agent,
    caplog: pytest.LogCaptureFixture,
    status: int,
    answer: dict[str, Any],
    said: str,
) -> None:
    agent.status, agent.answer = status, answer
    worked = []
    with protection.from_scale_in(agent.url):
        worked.append(1)
    assert worked == [1]
    assert "ECS did not take" in caplog.text
    assert said in caplog.text


def test_without_an_agent_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "urlopen", lambda *_, **__: pytest.fail("asked"))
    worked = []
    with protection.from_scale_in(None):
        worked.append(1)
    assert worked == [1]
