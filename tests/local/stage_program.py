"""A program in an image: it does what its command says, and says what happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.runner.commands import host_python
from tests.local import registry_client

if TYPE_CHECKING:
    from local.testing import LocalAws

STAGE = """
import json, os, signal, sys, time
def stop(*_):
    print("got SIGTERM", flush=True)
    time.sleep(float(os.environ.get("STOP_SECONDS", "0")))
    sys.exit(int(os.environ.get("STOP_CODE", "0")))
signal.signal(signal.SIGTERM, stop)
command = sys.argv[1]
if command == "environment":
    print(json.dumps(dict(os.environ)), flush=True)
elif command == "environment-and-sleep":
    print(json.dumps(dict(os.environ)), flush=True)
    time.sleep(float(sys.argv[2]))
elif command == "print":
    print(sys.argv[2], flush=True)
elif command == "exit":
    sys.exit(int(sys.argv[2]))
elif command == "allocate":
    block = bytearray(int(sys.argv[2]) << 20)
    time.sleep(60)
elif command == "sleep":
    print("sleeping", flush=True)
    time.sleep(float(sys.argv[2]))
elif command == "write":
    open("/".join([os.environ["TMPDIR"], "here"]), "w").write("x")
    print("written", flush=True)
"""
HEALTH = """
import os, sys
sys.exit(0 if os.path.exists(os.environ["TMPDIR"] + "/healthy") else 1)
"""


def push(aws: LocalAws, repository: str) -> str:
    """Return the reference of a host image whose entry point it is."""
    digest = registry_client.push_image(
        aws.endpoint,
        repository,
        "stage",
        {
            "Entrypoint": ["python3", "-m", "stage"],
            "Cmd": ["sleep", "60"],
            "Env": ["PYTHONPATH=/opt/batch/code", "HOME=/tmp"],
            "WorkingDir": "/opt/batch/code",
            "Labels": {"batch.host-python": host_python()},
        },
        [
            registry_client.layer(
                {"opt/batch/code/stage.py": STAGE, "opt/batch/code/health.py": HEALTH}
            )
        ],
    )
    return f"{aws.registry}/{repository}@{digest}"
