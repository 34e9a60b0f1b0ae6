"""Paths that lead out of a data set's folder."""

from pathlib import Path

import pytest

from harmonize.data.index import (
    index_files,
)
from harmonize.errors import HarmonizeError
from index_cases import make_spec, pairs, refused, touch


@pytest.mark.parametrize("line", ["../../secret", "..", "x/../../y"])
@pytest.mark.parametrize("encoding", ["ids", "soft_masks"])
def test_two_dots_in_a_list_cannot_leave_the_folder(
    tmp_path: Path, line: str, encoding: str
) -> None:
    root = tmp_path / "root"
    ending = "/{class}.png" if encoding == "soft_masks" else "/a.png"
    spec = make_spec(
        "train: {list: train.txt}", picture="{id}/a.png", label="{id}" + ending, encoding=encoding
    )
    touch(root, "train.txt")
    for stray in (tmp_path, root, tmp_path.parent / "secret", tmp_path / "y"):
        touch(stray, "a.png", "2.png", "7.png")
    (root / "train.txt").write_text(f"{line}\n")
    error = refused(spec, root)
    assert (
        str(error) == f"tiny.yaml:2:1: picture: '{line}/a.png' leads out of the data set's folder; "
        "if it is meant to, say `outside_root: true` in the mapping"
    )


def test_a_label_cannot_leave_the_folder_either(tmp_path: Path) -> None:
    for encoding, label in (("ids", "labels/{mask}"), ("soft_masks", "labels/{mask}{class}")):
        spec = make_spec(
            "train: {list: train.txt, columns: [id, mask]}", label=label, encoding=encoding
        )
        touch(tmp_path, "images/a.png")
        (tmp_path / "train.txt").write_text("a ../b.png\n")
        assert str(refused(spec, tmp_path)).startswith("tiny.yaml:3:1: label: 'labels/../b.png")


def test_an_absolute_path_cannot_leave_the_folder(tmp_path: Path) -> None:
    spec = make_spec("train: {list: train.txt}", picture="{id}", label="{id}")
    stray = tmp_path / "stray.png"
    touch(tmp_path, "stray.png")
    touch(tmp_path / "root", "train.txt")
    (tmp_path / "root" / "train.txt").write_text(f"{stray}\n")
    assert f"'{stray}' leads out of" in str(refused(spec, tmp_path / "root"))


@pytest.mark.parametrize("split", ["list: ../train.txt", "glob: '../labels/{id}.png'"])
def test_a_split_cannot_leave_the_folder(tmp_path: Path, split: str) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "labels/a.png", "images/a.png")
    touch(root, "labels/a.png", "images/a.png")
    (tmp_path / "train.txt").write_text("a\n")
    with pytest.raises(HarmonizeError) as caught:
        make_spec(f"train: {{{split}}}")
    error = str(caught.value)
    assert error.startswith("tiny.yaml:6:3: splits.train: '../")
    assert error.endswith("if it is meant to, say `outside_root: true` in the mapping")
    allowed = make_spec(f"train: {{{split}}}", more="outside_root: true\n")
    assert pairs(index_files(allowed, "train", root)) == [("images/a.png", "labels/a.png")]


def test_paths_may_lead_out_of_the_folder_where_the_mapping_says_so(tmp_path: Path) -> None:
    spec = make_spec("train: {range: [1, 1]}", picture="../{id}.png", more="outside_root: true\n")
    touch(tmp_path, "1.png", "root/labels/1.png")
    assert pairs(index_files(spec, "train", tmp_path / "root")) == [("../1.png", "labels/1.png")]


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.png", "root/labels/a.png")
    (tmp_path / "root/images").symlink_to(tmp_path / "elsewhere")
    spec = make_spec("train: {glob: 'labels/{id}.png'}")
    index = index_files(spec, "train", tmp_path / "root")
    assert pairs(index) == [("images/a.png", "labels/a.png")]


def test_dots_inside_a_name_are_harmless(tmp_path: Path) -> None:
    touch(tmp_path, "images/a..b.png", "labels/a..b.png")
    (tmp_path / "train.txt").write_text("a..b\n")
    index = index_files(make_spec("train: {list: train.txt}"), "train", tmp_path)
    assert pairs(index) == [("images/a..b.png", "labels/a..b.png")]
