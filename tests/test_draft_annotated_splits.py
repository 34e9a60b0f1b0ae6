"""harmonize new on annotation files whose pictures lie in several folders."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotated_sets import box_mask, coco, labelme, rle
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec
from test_draft_annotations import draft, lengths, root

__all__ = ["root"]

BOX = rle(box_mask(slice(2, 6), slice(2, 8)))
SQUARE = [[1, 1], [4, 4]]


def write_pictures(root: Path, *paths: str) -> None:
    """Write pictures, each of another grey."""
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 8), (9 * number, 50, 50)).save(root / path)


def write_coco(path: Path, cans: Sequence[str], lids: Sequence[str] = ()) -> None:
    """Write a JSON of pictures with a can each, and others with a lid."""
    of = {"can": {"category_id": 1}, "lid": {"category_id": 2}}
    shapes = [*((name, of["can"]) for name in cans), *((name, of["lid"]) for name in lids)]
    path.write_text(
        json.dumps(coco({name: [{**one, "segmentation": BOX}] for name, one in shapes}))
    )


def write_labelme(root: Path, labels: Mapping[str, str]) -> None:
    for path, label in labels.items():
        shape = {"label": label, "shape_type": "rectangle", "points": SQUARE}
        (root / path).with_suffix(".json").write_text(labelme([shape]))


def seen(spec: DatasetSpec, root: Path, split: str) -> dict[str, str]:
    """Return the class that is drawn in each picture of a split."""
    dataset = SegmentationDataset(spec, split, root=root)
    names = list(spec.classes)
    found: dict[str, str] = {}
    for place in range(len(dataset)):
        (number,) = {*np.unique(dataset.label(place)).tolist()} - {names.index("background")}
        found[dataset.files.picture(place)] = names[number]
    return found


def test_a_json_of_pictures_in_folders_of_splits(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "images/train/a.png", "images/train/b.png", "images/val/c.png")
    write_coco(root / "annotations.json", ["train/a.png", "train/b.png"], ["val/c.png"])
    spec, text = draft(root, capsys)
    assert seen(spec, root, "train") == {"images/train/a.png": "can", "images/train/b.png": "can"}
    assert seen(spec, root, "val") == {"images/val/c.png": "lid"}
    assert "3 labelled pictures" in text


def test_a_json_of_pictures_of_one_name_in_two_folders(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = ["camL/0.png", "camL/1.png"], ["camR/0.png", "camR/1.png"]
    write_pictures(root, *(f"data/{name}" for name in left + right))
    write_coco(root / "annotations.json", left, right)
    spec, _ = draft(root, capsys)
    assert spec.picture.text == "data/{folder}/{id}.png"
    assert spec.splits["all"].glob == "data/{folder}/{id}.png"
    cans, lids = dict.fromkeys(left, "can"), dict.fromkeys(right, "lid")
    assert seen(spec, root, "all") == {f"data/{name}": one for name, one in (cans | lids).items()}


def test_a_json_for_each_of_two_folders(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "camL/0.png", "camL/1.png", "camR/0.png")
    write_coco(root / "camL/labels.json", ["0.png", "1.png"])
    write_coco(root / "camR/labels.json", [], ["0.png"])
    spec, _ = draft(root, capsys)
    assert spec.label.text == "{folder}/labels.json"
    assert seen(spec, root, "all") == {
        "camL/0.png": "can",
        "camL/1.png": "can",
        "camR/0.png": "lid",
    }


def test_a_json_of_another_name_for_each_of_two_folders(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "camL/0.png", "camL/1.png", "camR/0.png")
    write_coco(root / "first.json", ["camL/0.png", "camL/1.png"])
    write_coco(root / "second.json", [], ["camR/0.png"])
    spec, _ = draft(root, capsys)
    assert spec.label.text == "{annotations}"
    assert Path("set_all.txt").read_text() == (
        "camL\tfirst.json\t0\ncamL\tfirst.json\t1\ncamR\tsecond.json\t0\n"
    )
    assert seen(spec, root, "all") == {
        "camL/0.png": "can",
        "camL/1.png": "can",
        "camR/0.png": "lid",
    }


def test_labelme_in_two_folders(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"camL/0.png": "can", "camL/1.png": "can", "camR/0.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, _ = draft(root, capsys)
    assert spec.picture.text == "{folder}/{id}.png"
    assert spec.label.text == "{folder}/{id}.json"
    assert spec.splits["all"].glob == "{folder}/{id}.png"
    assert seen(spec, root, "all") == labels


def test_folders_of_cameras_in_those_of_splits(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"train/L/0.png": "can", "train/R/0.png": "lid", "val/L/0.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, _ = draft(root, capsys)
    assert spec.picture.text == "{folder}/{folder_2}/{id}.png"
    assert spec.splits["train"].glob == "train/{folder_2}/{id}.png"
    assert seen(spec, root, "train") == {"train/L/0.png": "can", "train/R/0.png": "lid"}
    assert seen(spec, root, "val") == {"val/L/0.png": "lid"}


@pytest.mark.parametrize(
    ("top", "listed"),
    [(["0.png"], "\t0\na/\t0\na/b/\t0\n"), ([], "a\t0\na/b\t0\n")],
    ids=["top", "below"],
)
def test_folders_at_several_depths_are_listed(
    root: Path, top: list[str], listed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {**dict.fromkeys(top, "can"), "a/0.png": "lid", "a/b/0.png": "can"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, _ = draft(root, capsys)
    assert Path("set_all.txt").read_text() == listed
    assert spec.splits["all"].columns == ("folder", "id")
    assert seen(spec, root, "all") == labels


def test_pictures_of_two_kinds_are_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"0.png": "can", "1.jpg": "lid", "2.png": "can"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, _ = draft(root, capsys)
    assert spec.picture.text == "{id}.{ending}"
    assert seen(spec, root, "all") == labels


def test_pictures_in_no_folder_of_a_split_are_a_split_of_their_own(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {"train/0.png": "can", "val/0.png": "lid", "spare/0.png": "lid"}
    write_pictures(root, *labels)
    write_labelme(root, labels)
    spec, _ = draft(root, capsys)
    assert lengths(spec, root) == {"train": 1, "val": 1, "other": 1}
