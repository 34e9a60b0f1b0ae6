"""harmonize check on files that hold the labels of many pictures, and on what they lack."""

import json
from pathlib import Path

import pytest

from annotated_sets import box_mask, coco, labelme, rle, write_pictures
from harmonize.cli import main
from harmonize.data.index import unlabelled_pictures
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.tools.check.absent_pictures import absent_pictures

MAPPING = """
name: things
root: .
picture: "{folder}/{id}.png"
label: LABEL
splits:
  train: {glob: "data/left/{id}.png", fields: {folder: data/left}}
  val: {list: val.txt, fields: {folder: data/right}}
classes: {ground: [], can: ~}
meaning: {things: {ground: ground, can: can}}
"""
ONE_CAN = [{"category_id": 1, "segmentation": rle(box_mask(slice(2, 6), slice(2, 8)))}]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures left/a, left/b, right/a and right/c, of which the split val lists right/a."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for folder, names in (("left", "ab"), ("right", "ac")):
        write_pictures(tmp_path, names, shade=len(folder))
        (tmp_path / "img").rename(tmp_path / "data" / folder)
    (tmp_path / "val.txt").write_text("a\n")
    (tmp_path / "things.txt").write_text("ground\ncan\n")
    return tmp_path


def write_mapping(root: Path, label: str) -> DatasetSpec:
    (root / "things.yaml").write_text(MAPPING.replace("LABEL", label))
    return DatasetSpec.from_file(root / "things.yaml")


def write_coco(root: Path, *names: str) -> DatasetSpec:
    (root / "labels.json").write_text(json.dumps(coco(dict.fromkeys(names, ONE_CAN), (10, 8))))
    return write_mapping(root, "labels.json\nencoding: coco")


def test_pictures_that_the_file_does_not_list_are_unlabelled(root: Path) -> None:
    spec = write_coco(root, "left/a.png", "left/b.png", "right/a.png")
    assert unlabelled_pictures(spec, root) == ["data/right/c.png"]
    assert absent_pictures(spec, root) == []


def test_folders_are_no_pictures(root: Path) -> None:
    spec = write_coco(root, "left/a.png", "left/b.png", "right/a.png", "right/c.png")
    assert unlabelled_pictures(spec, root) == []
    (root / "data/left/d.png").mkdir()
    assert unlabelled_pictures(spec, root) == []


def test_pictures_of_the_file_that_no_split_has_are_a_note(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{place}.png" for place in ("left/a", "left/b", "right/a", "right/c", "right/d")]
    spec = write_coco(root, *names)
    note = (
        "things: 2 of the 5 pictures that labels.json lists are in no split, or not there, such "
        "as right/c.png"
    )
    assert unlabelled_pictures(spec, root) == []
    assert absent_pictures(spec, root) == [note]
    assert main(["check", "things.txt", "things.yaml"]) == 0
    assert f"  note: {note}\n" in capsys.readouterr().out


def test_a_label_file_for_each_picture_holds_no_others(root: Path) -> None:
    for picture in ("left/a", "left/b", "right/a"):
        shape = {"label": "can", "shape_type": "rectangle", "points": [[1, 1], [4, 4]]}
        (root / "data" / f"{picture}.json").write_text(labelme([shape]))
    spec = write_mapping(root, '"{folder}/{id}.json"\nencoding: labelme')
    assert unlabelled_pictures(spec, root) == ["data/right/c.png"]
    assert absent_pictures(spec, root) == []


def test_segments_are_those_of_their_own_file(root: Path) -> None:
    (root / "png").mkdir()
    for name in "abc":
        (root / f"data/left/{name}.png").write_bytes((root / "data/left/a.png").read_bytes())
        (root / f"png/{name}.png").write_bytes(b"")
    items = [{"file_name": f"{name}.png", "segments_info": []} for name in "abx"]
    content = {"annotations": items, "categories": [{"id": 1, "name": "can"}]}
    (root / "segments.json").write_text(json.dumps(content))
    label = '"png/{id}.png"\nannotations: segments.json\nencoding: coco_panoptic'
    spec = write_mapping(root, label)
    (root / "data/left/c.png").unlink()
    (root / "data/right/c.png").unlink()
    assert absent_pictures(spec, root) == [
        "things: 1 of the 3 pictures that segments.json lists are in no split, or not there, such "
        "as x.png"
    ]
