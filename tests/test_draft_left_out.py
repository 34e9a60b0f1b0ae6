"""harmonize new says which pictures, labels and files of an export it leaves out."""

import json
from pathlib import Path

import pytest

from annotated_sets import brush, coco
from harmonize.cli import main
from harmonize.labels.dataset_spec import DatasetSpec
from test_draft_annotated_splits import write_coco, write_labelme, write_pictures
from test_draft_annotations import CAN, ONE_CAN, new, root
from test_draft_exports import CAN as CAN_LINE
from test_draft_exports import write_polygons

__all__ = ["root"]


def not_used(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Draft; return what the command and the mapping alike say is not used."""
    out, text = new(root, capsys)
    mark = "not used: "
    lines = [line.partition(mark)[2] for line in text.splitlines() if line.startswith("# " + mark)]
    assert lines == [line.partition(mark)[2] for line in out.splitlines() if mark in line]
    return lines


def test_nothing_is_said_where_all_is_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "images/a.png", "images/b.png")
    write_coco(root / "labels.json", ["a.png"], ["b.png"])
    assert not_used(root, capsys) == []


def test_entries_without_a_picture_and_pictures_without_an_entry(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "images/a.png", "images/b.png", "images/x.png", "other/y.png")
    write_coco(root / "labels.json", ["a.png", "b.png", "c.png", "d.png"], ["e.png"])
    assert not_used(root, capsys) == [
        "1 of 3 pictures has no label (an entry in labels.json), such as images/x.png",
        "1 more picture file in folders without labels, such as other/y.png",
        "3 of 5 entries of labels.json have no picture here, such as c.png",
    ]


@pytest.mark.parametrize("number", [1, 3])
def test_annotations_of_pictures_that_are_not_there_are_not_counted(
    root: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [f"gone{place}.png" for place in range(number)]
    write_pictures(root, "images/a.png", "images/b.png")
    write_coco(root / "labels.json", ["a.png", "b.png"], gone)
    _, text = new(root, capsys)
    assert list(DatasetSpec.from_file("drafted.yaml").classes) == ["background", "can"]
    assert "can: ~          # 2 annotations\n" in text


def test_nor_are_those_of_panoptic_segments(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "val/a.png", "panoptic/a.png")
    segment = 9 + 256 * 50 + 256 * 256 * 50  # the colour of the second picture
    content = coco({})
    content["annotations"] = [
        {"file_name": f"{name}.png", "segments_info": [{"id": segment, "category_id": number}]}
        for name, number in (("a", 1), ("b", 2))
    ]
    (root / "panoptic.json").write_text(json.dumps(content))
    (line,) = not_used(root, capsys)
    assert line == "1 of 2 entries of panoptic.json has no picture here, such as b.png"
    assert list(DatasetSpec.from_file("drafted.yaml").classes) == ["background", "can"]


def test_nor_are_those_of_cvat(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "images/a.png")
    box = "<box label='{}' xtl='1' ytl='1' xbr='4' ybr='4'/><tag label='wet'/>"
    images = "".join(
        f"<image name='{name}.png' width='10' height='8'>{box.format(label)}</image>"
        for name, label in (("a", "can"), ("b", "lid"))
    )
    (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    (line,) = not_used(root, capsys)
    assert line == "1 of 2 entries of annotations.xml has no picture here, such as b.png"
    assert list(DatasetSpec.from_file("drafted.yaml").classes) == ["background", "can"]


def test_nor_are_those_of_label_studio(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "images/a.png")
    size = {"original_width": 10, "original_height": 8}
    value = {"rle": brush(CAN)}
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.png"},
            "annotations": [
                {"result": [{"id": "r", **size, "value": {**value, "brushlabels": [label]}}]}
            ],
        }
        for number, (name, label) in enumerate((("a", "can"), ("b", "lid")))
    ]
    (root / "project.json").write_text(json.dumps(tasks))
    (line,) = not_used(root, capsys)
    assert line.startswith("1 of 2 entries of project.json has no picture here, such as ")
    assert list(DatasetSpec.from_file("drafted.yaml").classes) == ["background", "can"]


def test_polygons_and_pictures_without_the_other(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, *(f"images/{name}.png" for name in "abc"))
    write_polygons(root, "labels", a=f"1 {CAN_LINE}\n", d=f"1 {CAN_LINE}\n", notes="not of one\n")
    write_polygons(root, "spare", e=f"1 {CAN_LINE}\n")
    assert not_used(root, capsys) == [
        "2 of 3 pictures have no label (a file {id}.txt), such as images/b.png; an empty .txt "
        "says that a picture is all background",
        "1 of 2 files of labels has no picture here, such as labels/d.txt",
        "spare: none of its 1 pictures is here, such as spare/e.txt",
    ]


def test_labelme_files_and_pictures_without_the_other(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, *(f"{name}.png" for name in "abc"))
    write_labelme(root, {"a.png": "can", "d.png": "can", "e.png": "lid"})
    (root / "notes.json").write_text("{}")
    assert not_used(root, capsys) == [
        "2 of 3 pictures have no label (a file {id}.json), such as b.png",
        "2 of 3 files of the folder itself have no picture here, such as d.json",
    ]


def test_a_json_about_pictures_that_another_is_about(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "images/a.png", "images/b.png")
    (root / "few.json").write_text(json.dumps(coco({"a.png": ONE_CAN})))
    (root / "more.json").write_text(json.dumps(coco({"a.png": ONE_CAN * 2, "b.png": ONE_CAN})))
    assert not_used(root, capsys) == [
        "few.json: about pictures that have more annotations in other files (1 of 1)"
    ]


def test_an_entry_that_may_be_of_two_pictures(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "L/a.png", "R/a.png", "L/b.png")
    write_coco(root / "labels.json", ["a.png", "b.png"])
    assert not_used(root, capsys) == [
        "1 more picture file in folders without labels, such as R/a.png",
        "the second of the two pictures that 1 entry of labels.json may mean, such as L/a.png "
        "and R/a.png; write the folder before each name there, such as R/a.png",
    ]


def test_of_two_pictures_of_a_name_the_one_in_a_folder_of_pictures_is_meant(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "annotated/a.png", "images/a.png")
    write_coco(root / "labels.json", ["a.png"])
    (line,) = not_used(root, capsys)
    assert line == "1 more picture file in folders without labels, such as annotated/a.png"
    assert DatasetSpec.from_file("drafted.yaml").picture.text == "images/{id}.png"


def refusal(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what the command says last of a folder of which it can draft nothing."""
    with pytest.raises(SystemExit):
        main(["new", str(root), "-o", "drafted.yaml"])
    mark = f"error: {root}: not used: "
    lines = capsys.readouterr().err.splitlines()
    assert any("nothing pairs up" in line for line in lines)
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


def test_a_json_with_one_name_for_two_pictures(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "data/L/a.png", "data/R/a.png")
    content = coco({"a.png": ONE_CAN, "b.png": ONE_CAN})
    content["images"][1]["file_name"] = "a.png"
    (root / "labels.json").write_text(json.dumps(content))
    assert refusal(root, capsys) == [
        "labels.json: has two pictures of the name 'a.png'; write the folder of each before its "
        "name, as L/a.png for data/L/a.png and R/a.png for data/R/a.png"
    ]


def test_a_json_of_other_pictures(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, "images/a.png")
    write_coco(root / "labels.json", ["b.png", "c.png"])
    (root / "notes.json").write_text('{"images": []}')  # of no tool
    assert refusal(root, capsys) == [
        "labels.json: none of its 2 pictures is here, such as b.png",
    ]


def test_of_two_files_the_one_that_is_wrong_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(root, "train/a.png", "val/b.png")
    write_coco(root / "train.json", ["a.png"])
    content = coco({"b.png": ONE_CAN})
    content["annotations"][0]["image_id"] = 7
    (root / "val.json").write_text(json.dumps(content))
    captions = {"images": content["images"], "annotations": [{"id": 1, "image_id": 0}]}
    (root / "captions.json").write_text(json.dumps(captions))
    assert not_used(root, capsys) == [
        "1 more picture file in folders without labels, such as val/b.png",
        "val.json: annotations 100: image_id 7 is in none of `images`",
    ]
