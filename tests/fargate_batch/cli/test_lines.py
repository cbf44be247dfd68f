from __future__ import annotations

import json

import pytest

from fargate_batch.cli.lines import raised_at, readable


@pytest.mark.parametrize(
    "line", ["plain words", "[1, 2]", "null", '{"open": ', '{"exit": 1}', json.dumps("words")]
)
def test_what_no_stage_wrote_is_readable_as_it_is(line: str) -> None:
    assert readable(line) == line


def test_a_traceback_keeps_its_line_breaks_and_a_message_is_one_line() -> None:
    fields = {"time": "18:00", "level": "error", "stage": "s", "message": "a\r\n\tb"}
    traceback = "Traceback:\n  x\nValueError\n"
    assert readable(json.dumps({**fields, "traceback": traceback})) == (
        "18:00 s error a b\nTraceback:\n  x\nValueError"
    )


def test_an_error_was_raised_at_the_last_frame_that_its_traceback_has() -> None:
    traceback = (
        'Traceback (most recent call last):\n  File "/a/b c.py", line 3, in <module>\n    f()\n'
        '  File "/a/d.py", line 44, in f.<locals>.g\n    raise X\nX: File "no", line 1, in it\n'
    )
    assert raised_at({"traceback": traceback}) == "/a/d.py:44 in f.<locals>.g"


def test_an_error_of_a_library_was_raised_where_the_stage_called_it() -> None:
    frames = ("/opt/batch/code/batchkit/storage.py", "/opt/batch/site-packages/botocore/client.py")
    traceback = "".join(f'  File "{file}", line 7, in f\n' for file in frames)
    assert raised_at({"traceback": traceback}) == f"{frames[0]}:7 in f"
    (library,) = traceback.splitlines()[1:]
    assert raised_at({"traceback": library}) == f"{frames[1]}:7 in f"


def test_an_error_of_a_group_was_raised_at_a_frame_too() -> None:
    traceback = '  + Exception Group Traceback:\n  |   File "/a/d.py", line 4, in g\n'
    assert raised_at({"traceback": traceback}) == "/a/d.py:4 in g"


@pytest.mark.parametrize("fields", [{}, {"traceback": "MemoryError\n"}, {"traceback": None}])
def test_without_a_frame_nothing_is_said(fields: dict[str, object]) -> None:
    assert raised_at(fields) is None
