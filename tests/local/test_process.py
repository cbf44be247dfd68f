from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest

from local import process
from local.location import Directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("port", "number", "message"),
    [
        (80, errno.EACCES, "may not listen on port 80.* export LOCAL_AWS_PORT=4566"),
        (4566, errno.EADDRINUSE, "4566 is in use .* export LOCAL_AWS_PORT=4567"),
        (65535, errno.EADDRINUSE, "65535 is in use .* export LOCAL_AWS_PORT=65534"),
    ],
)
def test_a_port_that_cannot_be_had_is_told_with_one_that_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int, number: int, message: str
) -> None:
    def refuse(_socket: socket.socket, _address: tuple[str, int]) -> None:
        raise OSError(number, "")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(process.LocalAwsError, match=message):
        process.start(Directory(tmp_path), port, persist=False)
