"""Pictures of a split listed with all that is wrong, and pictures without labels."""

from pathlib import Path
from textwrap import dedent

import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.data.index import (
    list_files,
    unlabelled_pictures,
)
from harmonize.labels.dataset_spec import DatasetSpec
from index_cases import make_spec, pairs, refused, touch


def test_listing_tells_all_that_is_wrong_and_keeps_the_pictures_that_are_whole(
    tmp_path: Path,
) -> None:
    spec = make_spec("train: {list: train.txt}", picture="images/{id}.*")
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\n../x\n")
    touch(tmp_path, "images/a.png", "labels/a.png", "images/b.png", "images/b.jpg", "labels/b.png")
    touch(tmp_path, "images/c.png", "images/d.png", "labels/d.png")
    index, problems = list_files(spec, "train", tmp_path)
    assert pairs(index) == [(f"images/{x}.png", f"labels/{x}.png") for x in "ad"]
    assert problems == [
        f"{tmp_path}/images/b.*: which of b.jpg, b.png? name one",
        "tiny.yaml:2:1: picture: 'images/../x.*' leads out of the data set's folder; "
        "if it is meant to, say `outside_root: true` in the mapping",
        f"tiny.yaml:6:3: splits.train: 1 file of tiny is missing from {tmp_path}: labels/c.png; "
        "check data.roots and the mapping's `picture` and `label`, or take the picture off the "
        "list",
    ]
    assert refused(spec, tmp_path).problems == tuple(problems)


def test_listing_a_whole_split_finds_nothing_wrong(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "labels/1.png")
    index, problems = list_files(make_spec("train: {range: [1, 1]}"), "train", tmp_path)
    assert (pairs(index), problems) == ([("images/1.png", "labels/1.png")], [])


def test_listing_where_nothing_is_there_is_an_empty_index(tmp_path: Path) -> None:
    index, problems = list_files(make_spec("train: {range: [1, 9]}"), "train", tmp_path)
    assert (len(index), len(problems)) == (0, 1)
    assert ": 18 files of tiny, for 9 of 9 pictures, are missing from " in problems[0]


def test_one_mistake_of_the_mapping_is_listed_once_and_no_more_than_twenty(
    tmp_path: Path,
) -> None:
    spec = make_spec("train: {range: [1, 9]}", picture="{city}/{id}.png")
    assert len(list_files(spec, "train", tmp_path)[1]) == 1
    spec = make_spec("train: {list: train.txt}", picture="{id:02d}.png")
    (tmp_path / "train.txt").write_text("".join(f"x{number}\n" for number in range(30)))
    problems = list_files(spec, "train", tmp_path)[1]
    assert len(problems) == 20
    assert problems[19] == "tiny.yaml:2:1: picture: {id:02d} needs a whole number, got 'x19'"


@pytest.mark.parametrize("split", ["range: [1, 2]", "glob: 'labels/{id}.png'", "list: train.txt"])
def test_pictures_beside_the_splits_are_unlabelled_if_they_have_no_label(
    tmp_path: Path, split: str
) -> None:
    (tmp_path / "train.txt").write_text("1\n2\n")
    touch(tmp_path, *(f"{folder}/{n}.png" for folder in ("images", "labels") for n in (1, 2, 3)))
    spec = make_spec(f"train: {{{split}}}")
    assert unlabelled_pictures(spec, tmp_path) == []
    touch(tmp_path, "images/5.png", "images/4.png", "images/note.txt", "images/deeper/6.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/4.png", "images/5.png"]


def test_a_label_in_any_split_will_do(tmp_path: Path) -> None:
    splits = "{a: {glob: 'labels/a/{id}.png'}, b: {glob: 'labels/b/{id}.png'}}"
    text = f"""\
        name: tiny
        picture: "images/{{id}}.png"
        label: "labels/{{split}}/{{id}}.png"
        encoding: ids
        splits: {splits}
        classes: {{thing: 0}}
        meaning: {{}}
        """
    spec = DatasetSpec.from_document(load_text(dedent(text), "tiny.yaml"))
    touch(tmp_path, "images/1.png", "images/2.png", "images/3.png")
    touch(tmp_path, "labels/a/1.png", "labels/b/2.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/3.png"]


def test_pictures_of_another_split_than_their_path_says_are_not_asked_for(tmp_path: Path) -> None:
    spec = make_spec(
        "train: {glob: 'labels/train/{id}.png'}",
        picture="{split}/{id}.png",
        label="labels/{split}/{id}.png",
    )
    touch(tmp_path, "train/1.png", "labels/train/1.png", "train/2.png", "test/3.png")
    assert unlabelled_pictures(spec, tmp_path) == ["train/2.png"]


def test_labels_among_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    spec = make_spec("train: {glob: '{id}_l.png'}", picture="{id}.png", label="{id}_l.png")
    touch(tmp_path, "1.png", "1_l.png", "2.png", "3_l.png")
    assert unlabelled_pictures(spec, tmp_path) == ["2.png"]


def test_pictures_that_a_split_lists_are_not_told_as_unlabelled(tmp_path: Path) -> None:
    touch(tmp_path, "images/1.png", "images/2.png", "labels/1.png")
    assert unlabelled_pictures(make_spec("train: {range: [1, 2]}"), tmp_path) == []
    assert unlabelled_pictures(make_spec("train: {glob: 'images/{id}.png'}"), tmp_path) == []


@pytest.mark.parametrize("encoding", ["masks", "soft_masks"])
def test_one_mask_is_a_label(tmp_path: Path, encoding: str) -> None:
    classes = "{thing: t, stuff: '2'}" if encoding == "masks" else "{thing: 7, stuff: 2}"
    spec = make_spec(
        "train: {range: [1, 1]}",
        label="labels/{id}_{class}.png",
        encoding=encoding,
        classes=classes,
    )
    touch(tmp_path, "images/1.png", "images/2.png", "images/3.png", "labels/2_2.png")
    assert unlabelled_pictures(spec, tmp_path) == ["images/3.png"]


@pytest.mark.parametrize(
    ("splits", "label"),
    [
        ("train: {list: train.txt, columns: [id, mask]}", "labels/{mask}.png"),
        ("train: {list: none.txt}", "labels/{id:02d}.png"),
        ("train: {range: [1, 1]}", "labels/{id}.*"),
    ],
)
def test_pictures_whose_label_cannot_be_named_are_left_alone(
    tmp_path: Path, splits: str, label: str
) -> None:
    touch(tmp_path, "images/x.png", "labels/x.png", "labels/x.bmp")
    (tmp_path / "train.txt").write_text("a b\n")
    assert unlabelled_pictures(make_spec(splits, label=label), tmp_path) == []


def test_any_extension_will_do_for_a_label(tmp_path: Path) -> None:
    spec = make_spec("train: {range: [1, 1]}", picture="images/{id}.*", label="labels/{id}.*")
    touch(tmp_path, "images/1.jpg", "labels/1.png", "images/2.png", "images/3.png", "labels/3.gif")
    assert unlabelled_pictures(spec, tmp_path) == ["images/2.png"]


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    spec = make_spec("train: {glob: 'images/{id}.png'}")
    touch(tmp_path, "images/a.png", "labels/a.png", "images/._a.png", "labels/._a.png")
    touch(tmp_path, "images/._b.png", "images/.c.png", "labels/.c.png")
    assert pairs(list_files(spec, "train", tmp_path)[0]) == [("images/a.png", "labels/a.png")]
    assert unlabelled_pictures(spec, tmp_path) == []


def test_hidden_folders_hold_no_pictures_unless_the_mapping_names_them(tmp_path: Path) -> None:
    options = {"picture": "{city}/{id}.png", "label": "labels/{id}.png"}
    spec = make_spec("train: {glob: '{city}/{id}.png'}", **options)
    touch(tmp_path, "x/1.png", "labels/1.png", ".ipynb_checkpoints/1.png")
    found = [picture for picture, _ in pairs(list_files(spec, "train", tmp_path)[0])]
    assert found == ["labels/1.png", "x/1.png"]
    named = make_spec("train: {glob: '.x/{id}.png'}", picture=".x/{id}.png")
    touch(tmp_path, ".x/1.png")
    assert pairs(list_files(named, "train", tmp_path)[0]) == [(".x/1.png", "labels/1.png")]


def test_backslashes_in_a_list_are_told_where_files_are_missing(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "labels/a.png")
    spec = make_spec("train: {list: train.txt}", picture="{id}.png", label="labels/a.png")
    (tmp_path / "train.txt").write_text("images\\a\n")
    assert list_files(spec, "train", tmp_path)[1] == [
        f"tiny.yaml:6:3: splits.train: 1 file of tiny is missing from {tmp_path}: "
        "images\\a.png; the list has backslashes, which are no separators here: write / in their "
        "place"
    ]
    (tmp_path / "train.txt").write_text("images/a\n")
    assert list_files(spec, "train", tmp_path)[1] == []
