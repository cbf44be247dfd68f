from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.runner.commands import can_change_root
from tests.local import registry_client

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = 'test -w /tmp && touch /tmp/x && echo "in $(pwd) as $(id -u)"; touch /x 2>/dev/null'


def base_layer() -> bytes:
    """A shell, two commands and the libraries they need: the smallest base there is."""
    if not can_change_root():
        pytest.skip("this user may not unshare(1)")
    if shutil.which("ldd") is None:
        pytest.skip("ldd is not installed, so nobody says which libraries a shell needs")
    programs = {f"/bin/{name}": shutil.which(name) for name in ("sh", "id", "touch")}
    files = {inside: Path(outside).resolve() for inside, outside in programs.items() if outside}
    for program in list(files.values()):
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        for word in said.stdout.split():
            if word.startswith("/"):
                files[word] = Path(word).resolve()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for inside, outside in files.items():
            content = outside.read_bytes()
            member = tarfile.TarInfo(inside.lstrip("/"))
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_an_image_with_a_base_runs_in_a_chroot(
    aws: Any,
    repository: str,
    define: Callable[..., str],
    tasks: Any,
    unique: str,
    eventually: Callable[..., Any],
) -> None:
    digest = registry_client.push_image(
        aws.endpoint,
        repository,
        unique,
        {"Entrypoint": ["/bin/sh", "-c"], "Env": ["PATH=/bin"], "User": "10001:10001"},
        [base_layer()],
    )
    definition = define(
        image=f"{aws.registry}/{repository}@{digest}",
        command=[SCRIPT],
        readonlyRootFilesystem=True,
    )
    stopped = tasks.wait(tasks.run(definition))
    # The last command of the script tried to write where nothing may be written.
    assert stopped["containers"][0]["exitCode"] == 1, json.dumps(stopped, default=str)
    arn = stopped["taskArn"]
    (line,) = eventually(lambda: tasks.output(arn, f"/tests/{unique}"))
    # Who may change roots without being root is root in a namespace of their own only.
    user = 10001 if os.geteuid() == 0 else 0
    assert line.startswith(f"in / as {user}")
