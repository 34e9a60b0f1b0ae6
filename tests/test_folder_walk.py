"""Folders behind links are listed once, loops end, and what is left out is said."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.inference.inputs import find_pictures
from harmonize.system.folder_walk import walk_files
from harmonize.tools.draft import folder_files
from harmonize.tools.draft.folder_files import find_files


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folder / name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with pictures, a link to a folder of others, and links that lead back."""
    root = tmp_path / "root"
    fill(root, "a.png", "sub/b.png")
    fill(tmp_path / "elsewhere", "c.png", "deep/d.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    (root / "sub" / "up").symlink_to("..")
    (root / "again").symlink_to(root / "sub")
    (root / "self").symlink_to("self")
    return root


FOUND = ["a.png", "linked/c.png", "linked/deep/d.png", "self", "sub/b.png"]
LOOPS = ["sub/up", "linked/back"]


def test_each_folder_is_listed_once(root: Path) -> None:
    walked = walk_files(root)
    assert walked.files == FOUND
    assert walked.left_out == [f"{place}: a link to a folder that it lies in" for place in LOOPS]


def test_a_link_to_the_whole_disk_is_left_out(root: Path) -> None:
    (root / "disk").symlink_to("/")
    assert walk_files(root).files == FOUND
    assert "disk: a link to a folder that it lies in" in walk_files(root).left_out


def test_hidden_files_are_left_out(root: Path) -> None:
    fill(root, ".hidden/x.png", ".y.png")
    assert walk_files(root).files == FOUND


def test_far_too_many_files_are_refused(root: Path) -> None:
    with pytest.raises(HarmonizeError, match=rf"^{root}: holds more than 5 files and folders, beh"):
        walk_files(root, most=5)


def test_predict_finds_what_lies_behind_links(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(one.name) for one in find_pictures([str(root)], tmp_path / "out")]
    assert names == ["a", "linked/c", "linked/deep/d", "sub/b"]
    assert capsys.readouterr().err.splitlines() == [
        f"left out: {root / place}: a link to a folder that it lies in" for place in LOOPS
    ]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.png", ["a", "linked/c", "linked/deep/d", "sub/b"]),
        ("**/deep/**/?.png", ["linked/deep/d"]),
        ("l*/*.png", ["linked/c"]),
        ("**/[bc].png", ["linked/c", "sub/b"]),
    ],
)
def test_so_do_patterns(root: Path, tmp_path: Path, pattern: str, names: list[str]) -> None:
    found = find_pictures([f"{root}/{pattern}"], tmp_path / "out")
    assert [str(one.name) for one in found] == names


def test_what_only_has_a_pictures_name_is_no_longer_passed_over(root: Path, tmp_path: Path) -> None:
    os.mkfifo(root / "pipe.png")
    (root / "gone.png").symlink_to("nothing.png")
    names = [str(one.name) for one in find_pictures([str(root)], tmp_path / "out")]
    assert names == ["a", "gone", "linked/c", "linked/deep/d", "pipe", "sub/b"]
    (named,) = find_pictures([str(root / "pipe.png")], tmp_path / "out")
    assert named.path == root / "pipe.png"


def test_a_draft_leaves_the_whole_disk_out(root: Path) -> None:
    (root / "disk").symlink_to("/")
    files = find_files(root)
    assert "disk (a link to a folder that it lies in)" in files.skipped
    assert "linked/c.png" in files.images
    assert not any(image.startswith("disk") for image in files.images)


def test_a_draft_of_far_too_much_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_files, "_MOST", 5)
    with pytest.raises(HarmonizeError, match=r"holds more than 5 files and folders.*one data set$"):
        find_files(root)
    monkeypatch.undo()
    monkeypatch.setattr(folder_files, "_DEEPEST", 1)
    assert any(one.endswith("(more than 1 folders deep)") for one in find_files(root).skipped)
