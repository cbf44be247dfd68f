from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sceptre.exceptions import TemplateHandlerArgumentsInvalidError

from fargate_batch.errors import UserError
from template_handlers import cdk_app
from template_handlers.cdk_app import CdkApp

PROJECT = Path(__file__).parents[2]

STACK = """
from aws_cdk import aws_sqs as sqs
from sceptre_cdk_handler import SceptreCdkStack

class Queues(SceptreCdkStack):
    def __init__(self, scope, id, sceptre_user_data, **options):
        super().__init__(scope, id, sceptre_user_data, **options)
        for index in range(sceptre_user_data["queues"]):
            sqs.Queue(self, f"Queue{index}")
"""

STACK_WITH_ASSET = """
from pathlib import Path
from aws_cdk import aws_s3_assets as assets
from sceptre_cdk_handler import SceptreCdkStack

class WithAsset(SceptreCdkStack):
    def __init__(self, scope, id, sceptre_user_data, **options):
        super().__init__(scope, id, sceptre_user_data, **options)
        assets.Asset(self, "Asset", path=str(Path(__file__)))
"""


def handler(folder: Path, source: str, class_name: str, user_data: Any = None) -> CdkApp:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    path = templates / f"{class_name.lower()}.py"
    path.write_text(source)
    return CdkApp(
        name="dev/stack",
        arguments={"path": path.name, "class_name": class_name},
        sceptre_user_data=user_data,
        stack_group_config={"project_path": str(folder)},
    )


def queues(body: str) -> int:
    resources = json.loads(body)["Resources"].values()
    return sum(resource["Type"] == "AWS::SQS::Queue" for resource in resources)


def test_stack_is_rendered_with_its_user_data(tmp_path: Path) -> None:
    found = handler(tmp_path, STACK, "Queues", {"queues": 3})
    found.validate()
    body = found.handle()
    assert queues(body) == 3
    assert set(json.loads(body)) == {"Resources"}


def test_stacks_rendered_in_threads_come_out_whole(tmp_path: Path) -> None:
    counts = [1, 2, 3, 4, 5, 6, 7, 8]

    def rendered(count: int) -> int:
        folder = tmp_path / str(count)
        folder.mkdir()
        return queues(handler(folder, STACK, "Queues", {"queues": count}).handle())

    with ThreadPoolExecutor(len(counts)) as pool:
        assert list(pool.map(rendered, counts)) == counts


def test_stack_with_an_asset_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The CDK stack WithAsset has assets \([0-9a-f]+\)"):
        handler(tmp_path, STACK_WITH_ASSET, "WithAsset").handle()


def test_rendering_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    handler(tmp_path, STACK, "Queues", {"queues": 1}).handle()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "queues.py"},
        {"class_name": "Queues"},
        {"path": "cdk.json", "class_name": "Queues"},
        {"path": "queues.py", "class_name": "Queues", "bootstrap_qualifier": "x"},
    ],
)
def test_arguments_are_checked(tmp_path: Path, arguments: dict[str, Any]) -> None:
    found = CdkApp(
        name="dev/stack",
        arguments=arguments,
        stack_group_config={"project_path": str(tmp_path)},
    )
    with pytest.raises(TemplateHandlerArgumentsInvalidError):
        found.validate()


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = handler(tmp_path, STACK, "Queues")
    (tmp_path / "templates" / "queues.py").unlink()
    with pytest.raises(TemplateHandlerArgumentsInvalidError, match=r"queues\.py does not exist"):
        found.validate()


def test_missing_node_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdk_app, "find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(UserError, match="pip install --requirement requirements"):
        cdk_app.find_node()


def test_node_of_the_machine_serves_when_pip_brought_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cdk_app, "find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: "/opt/node/bin/node")
    assert cdk_app.find_node() == "/opt/node/bin/node"


def test_nothing_is_needed_from_the_users_path(tmp_path: Path) -> None:
    """In a process of its own, for node starts when the module is first imported."""
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(PROJECT)!r})
        from template_handlers.cdk_app import CdkApp
        found = CdkApp(
            name="dev/stack",
            arguments={{"path": "queues.py", "class_name": "Queues"}},
            sceptre_user_data={{"queues": 2}},
            stack_group_config={{"project_path": {str(tmp_path)!r}}},
        )
        found.validate()
        print(found.handle())
        """
    )
    handler(tmp_path, STACK, "Queues")
    empty = tmp_path / "empty"
    empty.mkdir()
    kept = {"HOME": os.environ.get("HOME", str(tmp_path)), "PATH": str(empty)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=kept,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert queues(done.stdout) == 2
    # Neither jsii nor CDK has anything to say to somebody who only renders a template.
    assert done.stderr == ""
