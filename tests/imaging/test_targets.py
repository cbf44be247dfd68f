from __future__ import annotations

import json
import subprocess
import sys

from imaging import targets
from local.runner.commands import host_python


def test_the_host_is_named_as_the_local_aws_names_it() -> None:
    assert targets.host_label() == host_python()


def test_the_base_s_markers_are_all_that_a_marker_may_ask() -> None:
    assert set(targets.base().markers) == set(targets.host().markers)


def test_pip_understands_the_base_s_options() -> None:
    command = [sys.executable, "-m", "pip", "debug", "--verbose", *targets.base().pip_options]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for tag in ("cp313-cp313-manylinux_2_28_x86_64", "cp39-abi3-manylinux2014_x86_64"):
        assert tag in shown, json.dumps(shown[-500:])
