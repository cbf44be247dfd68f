"""A project of two stages, as small as can be, and the wheels that it depends on."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from imaging import sources

STAGES = ("data-ingestion", "risk-calculation")
IMAGES = Path(__file__).parents[2] / "images"


@dataclass
class Wheelhouse:
    """A folder that pip takes wheels from."""

    folder: Path

    def add(self, name: str, version: str, files: dict[str, str], tag: str = "py3-none-any") -> str:
        """Put a wheel there; return its line in a lock."""
        information = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        members = {
            **files,
            f"{information}/METADATA": metadata,
            f"{information}/WHEEL": wheel,
            f"{information}/RECORD": "",
        }
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(zipfile.ZipInfo(member), content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


@dataclass
class Project:
    """A project's images, as small as they can be."""

    folder: Path

    def write(self, name: str, content: str) -> Path:
        path = self.folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def sources(self, stage: str) -> sources.StageSources:
        return sources.find(self.folder, stage)

    def tags(self, base_image: str = "base:1") -> dict[str, str]:
        return {stage: sources.tag(self.sources(stage), base_image) for stage in STAGES}


def make(folder: Path, wheelhouse: Wheelhouse) -> Project:
    """Two stages, of which risk-calculation has a library of its own."""
    made = Project(folder)
    common = wheelhouse.add("everyone", "1.0", {"everyone/__init__.py": "VALUE = 1\n"})
    own = wheelhouse.add("figures", "2.0", {"figures.py": "VALUE = 2\n"})
    made.write("Dockerfile", (IMAGES / "Dockerfile").read_text())
    made.write("common/requirements.lock", common)
    made.write("common/batchkit/__init__.py", "")
    made.write("common/batchkit/__main__.py", "print('worked')\n")
    for module in ("prepare.py", "errors.py"):
        made.write(f"common/batchkit/{module}", (IMAGES / "common/batchkit" / module).read_text())
    made.write("data-ingestion/requirements.lock", "")
    made.write("data-ingestion/data_ingestion/__init__.py", "NAME = 'ingestion'\n")
    made.write("risk-calculation/requirements.lock", own)
    made.write("risk-calculation/risk_calculation/__init__.py", "NAME = 'risk'\n")
    return made
