from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from local.ecs.containers import CannotPullError
from local.runner import commands, images
from local.runner.images import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Image]:
    blobs: dict[str, bytes] = {}
    monkeypatch.setattr(images, "_blob", lambda _repository, digest, _reference: blobs[digest])

    def make(*layers: list[tuple[str, str]]) -> Image:
        for number, entries in enumerate(layers):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                for name, content in entries:
                    member = tarfile.TarInfo(name)
                    if name.endswith("/"):
                        member.type, member.mode = tarfile.DIRTYPE, 0o755
                    elif content.startswith("-> "):
                        member.type, member.linkname = tarfile.SYMTYPE, content[3:]
                    elif content.startswith("=> "):
                        member.type, member.linkname = tarfile.LNKTYPE, content[3:]
                    else:
                        member.size = len(content)
                    archive.addfile(member, io.BytesIO(content.encode()))
            blobs[f"sha256:{number}"] = buffer.getvalue()
        digests = tuple(f"sha256:{number}" for number in range(len(layers)))
        return Image("localhost:1/a@sha256:x", "sha256:x", {}, digests, "a")

    return make


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_layers_lie_on_top_of_each_other(image: Callable[..., Image], tmp_path: Path) -> None:
    made = image(
        [("etc/", ""), ("etc/a", "1"), ("etc/b", "1"), ("gone/", ""), ("gone/x", "1")],
        [("etc/a", "2"), ("etc/.wh.b", ""), (".wh.gone", "")],
    )
    assert tree(images.unpack(made, tmp_path)) == {"etc/a": "2"}


def test_an_opaque_folder_hides_what_was_below(image: Callable[..., Image], tmp_path: Path) -> None:
    made = image([("d/", ""), ("d/old", "1")], [("d/", ""), ("d/.wh..wh..opq", ""), ("d/new", "2")])
    assert tree(images.unpack(made, tmp_path)) == {"d/new": "2"}


def test_a_linked_folder_stays_a_link(image: Callable[..., Image], tmp_path: Path) -> None:
    made = image(
        [("usr/", ""), ("usr/lib/", ""), ("lib", "-> usr/lib")], [("lib/", ""), ("lib/x", "1")]
    )
    root = images.unpack(made, tmp_path)
    assert (root / "lib").is_symlink()
    assert (root / "usr/lib/x").read_text() == "1"


def test_a_layer_is_unpacked_once_for_all_images(
    image: Callable[..., Image], tmp_path: Path
) -> None:
    made = image([("a", "1")])
    root = images.unpack(made, tmp_path)
    assert images.unpack(made, tmp_path) == root
    (copy,) = (tmp_path / "layers").glob("*/a")
    assert copy.samefile(root / "a")


@pytest.mark.parametrize(
    "files",
    [
        [("../escaped", "1")],
        [("a/../../escaped", "1")],
        [("out", "-> ../.."), ("out/escaped", "1")],
        [("out", "-> /"), ("out/escaped", "1")],
    ],
)
def test_a_layer_cannot_write_outside_the_image(
    image: Callable[..., Image], tmp_path: Path, files: list[tuple[str, str]]
) -> None:
    with pytest.raises(CannotPullError, match="escaped lies outside of the image"):
        images.unpack(image(files), tmp_path / "images")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("target", ["{outside}", "../../../outside/file"])
def test_a_hard_link_cannot_reach_a_file_outside_the_image(
    image: Callable[..., Image], tmp_path: Path, target: str
) -> None:
    outside = tmp_path / "outside/file"
    outside.parent.mkdir()
    outside.write_text("mine")
    target = target.format(outside=outside)
    # The second entry would be written through the link.
    made = image([("link", f"=> {target}"), ("link", "theirs")])
    with pytest.raises(CannotPullError, match=r"lies outside of the image|comes not before it"):
        images.unpack(made, tmp_path / "images")
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("link", ["{outside}", "../../../outside"])
def test_a_linked_folder_of_a_lower_layer_leads_nowhere_outside_the_image(
    image: Callable[..., Image], tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").touch()
    made = image(
        [("var/", ""), ("var/run", f"-> {link.format(outside=outside)}")],
        [("var/run/", ""), ("var/run/.wh..wh..opq", ""), ("var/run/theirs", "1")],
    )
    root = images.unpack(made, tmp_path / "images")
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert tree(root) == {"var/run/theirs": "1"}


@pytest.mark.parametrize("link", ["/run", "../run", "../../../run", "/srv/run"])
def test_a_linked_folder_leads_where_it_does_for_a_process_in_the_image(
    image: Callable[..., Image], tmp_path: Path, link: str
) -> None:
    made = image(
        [("run/", ""), ("srv/", ""), ("srv/run", "-> /run")],
        [("var/", ""), ("var/run", f"-> {link}")],
        [("var/run/", ""), ("var/run/lock/", ""), ("var/run/lock/a", "1")],
    )
    root = images.unpack(made, tmp_path / "images")
    assert (root / "var/run").is_symlink()
    assert (root / "run/lock/a").read_text() == "1"


def test_links_in_a_circle_are_refused(image: Callable[..., Image], tmp_path: Path) -> None:
    made = image([("a", "-> /b"), ("b", "-> a")], [("a/", ""), ("a/x", "1")])
    with pytest.raises(CannotPullError, match=r"layer sha256:1 .* a leads in a circle"):
        images.unpack(made, tmp_path)


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh..."])
def test_a_whiteout_takes_no_folder_away_that_it_lies_in(
    image: Callable[..., Image], tmp_path: Path, name: str
) -> None:
    (tmp_path / "another image").mkdir()
    with pytest.raises(CannotPullError, match="names no file to take away"):
        images.unpack(image([(name, "")]), tmp_path)
    assert (tmp_path / "another image").is_dir()


def test_an_absolute_path_is_one_of_the_image(image: Callable[..., Image], tmp_path: Path) -> None:
    root = images.unpack(image([("/opt/a", "1")]), tmp_path / "images")
    assert (root / "opt/a").read_text() == "1"


def test_an_image_for_another_interpreter_is_refused(tmp_path: Path) -> None:
    labels = {images.HOST_PYTHON_LABEL: "cpython-27-amiga"}
    made = Image("localhost:1/a:1", "sha256:x", {"Labels": labels}, (), "a")
    with pytest.raises(CannotPullError, match="was made for cpython-27-amiga"):
        commands.build(made, tmp_path, tmp_path / "task", {})


def test_another_registrys_image_is_not_looked_for_here() -> None:
    assert images.find("public.ecr.aws/docker/library/python:3.13", "localhost:4566") is None
