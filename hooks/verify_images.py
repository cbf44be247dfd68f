"""`!verify_images`: nothing is launched for a stage whose image cannot be made or would not run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from hooks.base import CheckedHook, NoArguments
from imaging import sources

if TYPE_CHECKING:
    from imaging.sources import StageSources

HANDLER: Final = "handle"


class VerifyImages(CheckedHook[NoArguments]):
    """Looks at the sources of every stage of the catalogue, before anything is launched."""

    def run(self) -> None:
        """Return when every stage has what its image is made from.

        Raises:
            UserError: a stage's sources are missing, or its package has no handler.
        """
        project = Path(self.stack.stack_group_config["project_path"])
        for stage in self.settings().stages:
            refuse_without_handler(sources.find(project, stage.name), project)


def refuse_without_handler(stage: StageSources, project: Path) -> None:
    """Refuse a package that says nothing of how an event is worked.

    It is read, not imported: its libraries are in the image and need not be here.

    Raises:
        UserError: the package defines and imports no `handle`, or cannot be read as Python.
    """
    module = stage.package / "__init__.py"
    shown = module.relative_to(project)
    if not module.is_file():
        raise UserError(f"{shown} is missing; a stage is a package with a `{HANDLER}` function.")
    try:
        tree = ast.parse(module.read_text())
    except SyntaxError as error:
        raise UserError(f"{shown}, line {error.lineno}: {error.msg}.") from error
    if HANDLER not in names_of(tree):
        raise UserError(
            f"{shown} has no `{HANDLER}(event, context)`, which works an event; "
            "docs/architecture.md shows one."
        )


def names_of(module: ast.Module) -> set[str]:
    """The names that a module defines or imports at its top level."""
    names: set[str] = set()
    for node in module.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                names |= {alias.asname or alias.name for alias in imported}
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names
