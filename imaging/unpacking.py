"""What a wheel puts into site-packages."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging.layers import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of a wheel's .data folder these are importable. Scripts, headers and manual pages are of no use
# in an image whose only command is `python3 -m batchkit`.
# https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-data-directory
_IMPORTABLE: Final = ("purelib", "platlib")


@contextmanager
def entries(wheels: Iterable[Path], site_packages: str) -> Iterator[list[Entry]]:
    """The files of wheels where an installer would put them, without compiled bytecode.

    They can be read until the context ends: opening an archive anew for every file reads its
    directory as often.

    Raises:
        UserError: a wheel names a file outside its own folder.
    """
    with ExitStack() as opened:
        archives = [opened.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]
        yield [entry for archive in archives for entry in _entries(archive, site_packages)]


def _entries(archive: zipfile.ZipFile, site_packages: str) -> Iterator[Entry]:
    for member in archive.infolist():
        name = _installed_name(member.filename)
        if member.is_dir() or name is None or name.endswith(".pyc"):
            continue
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserError(
                f"{archive.filename} names the file {member.filename}, outside its own folder."
            )
        # The upper half holds the Unix mode; of it only 'may be executed' is kept.
        executable = bool(member.external_attr >> 16 & 0o111)
        opener = partial(archive.open, member)
        yield Entry(f"{site_packages}/{name}", member.file_size, opener, executable)


def _installed_name(name: str) -> str | None:
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    scheme, _, inside = rest.partition("/")
    return inside if scheme in _IMPORTABLE else None
