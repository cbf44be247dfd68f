from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
from batchkit import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    stream = io.StringIO()
    logs.configure("some-stage", stream)
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_a_line_is_one_json_object_with_run_and_stage(stream: io.StringIO) -> None:
    with logs.about("r1"):
        logging.getLogger("x").info("two\nlines of %s", "text", extra={"attempt": 2})
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "info",
        "stage": "some-stage",
        "run_id": "r1",
        "message": "two\nlines of text",
        "attempt": 2,
    }


def test_a_traceback_is_a_field_of_its_line(stream: io.StringIO) -> None:
    logs.current_run.set(None)
    try:
        dict[str, int]()["gone"]
    except KeyError:
        logging.getLogger("x").exception("Failed.")
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields["message"] == "Failed."
    assert fields["traceback"].endswith("KeyError: 'gone'\n")
    assert fields["run_id"] is None


def test_the_lines_that_report_an_error_carry_its_run(stream: io.StringIO) -> None:
    with pytest.raises(ValueError, match="bad"), logs.about("r1"):
        raise ValueError("bad")
    logging.getLogger("x").error("Failed.")
    with logs.about("r2"):
        pass
    logging.getLogger("x").info("Waiting.")
    runs = [json.loads(line)["run_id"] for line in stream.getvalue().splitlines()]
    assert runs == ["r1", None]
