"""harmonize new on folders whose labels annotation tools wrote."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotated_sets import box_mask, brush, coco, labelme, rle, write_pictures
from harmonize.cli import main
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec

ADVICE = "# TODO: nothing tells which pictures to train on and which to score"
TREE = "background\nobject\n\tcan\n\tlid\n"
CAN = box_mask(slice(2, 6), slice(2, 8))
ONE_CAN = [{"category_id": 1, "segmentation": rle(CAN)}]
ONE_LID = [{"category_id": 2, "segmentation": rle(CAN)}]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for a data set, beside a tree; the working directory is above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things.txt").write_text(TREE)
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def pictures(root: Path, folder: str, *names: str) -> None:
    write_pictures(root, names, shade=sum(folder.encode()))
    (root / folder).parent.mkdir(parents=True, exist_ok=True)
    (root / "img").rename(root / folder)


def new(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Draft; return what is printed and the mapping's text."""
    main(["new", str(root), "--tree", "things.txt", "-o", "drafted.yaml", "--force"])
    out = capsys.readouterr().out
    assert "to mend" not in out
    return out, Path("drafted.yaml").read_text()


def draft(
    root: Path, capsys: pytest.CaptureFixture[str], *, unlabelled: int = 0
) -> tuple[DatasetSpec, str]:
    """Draft, check and read; return the mapping and its text.

    Of pictures without a label the check tells the number, and nothing else.
    """
    _, text = new(root, capsys)
    assert "TODO" not in text.partition("\nname:")[2].replace(ADVICE, "")
    status = main(["check", "things.txt", "drafted.yaml"])
    out = capsys.readouterr().out
    assert status == int(unlabelled > 0), out
    assert (f" label: {unlabelled} file" in out) == (unlabelled > 0)
    assert "2 problems" not in out
    spec = DatasetSpec.from_file("drafted.yaml")
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, root=root)
        names = list(spec.classes)
        classes = {names[number] for number in np.unique(dataset.label(0)).tolist()}
        assert classes <= {"background", "can", "lid"}
        assert len(classes) == 2
    return spec, text


def lengths(spec: DatasetSpec, root: Path) -> dict[str, int]:
    return {split: len(SegmentationDataset(spec, split, root=root)) for split in spec.splits}


def test_coco_as_it_is_published(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, names in (("val", "c"), ("train", "ab")):
        pictures(root, f"{split}2017", *names)
        content = coco({f"{name}.png": [*ONE_CAN] for name in names})
        if split == "val":
            content = coco({"c.png": [*ONE_LID]})
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(content))
        captions = {"images": content["images"], "annotations": [{"id": 1, "caption": "x"}]}
        (root / "annotations" / f"captions_{split}2017.json").write_text(json.dumps(captions))
    spec, text = draft(root, capsys)
    assert list(spec.splits) == ["train", "val"]
    assert lengths(spec, root) == {"train": 2, "val": 1}
    assert spec.picture.text == "{folder}/{id}.png"
    assert spec.label.text == "{annotations}"
    assert "order: area" in text
    assert "can: ~          # 2 annotations\n" in text
    assert spec.meaning["things"] == {
        "background": ("background",),
        "can": ("can",),
        "lid": ("lid",),
    }


def test_roboflow_with_its_files_among_the_pictures(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, one in (("train", ONE_CAN), ("valid", ONE_LID)):
        pictures(root, split, "a_png.rf.1", "b")
        categories = {0: "all", 1: "can", 2: "lid"}
        content = coco({"a_png.rf.1.png": [*one], "b.png": []}, categories=categories)
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    spec, _ = draft(root, capsys)
    assert lengths(spec, root) == {"train": 2, "val": 2}
    assert list(spec.classes) == ["background", "can", "lid"]  # the unused one is left out


def test_pictures_without_a_label_are_left_out_by_a_list(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(root, "images", "a", "b", "c d")
    content = coco({"a.png": [*ONE_CAN], "c d.png": [*ONE_LID]})
    (root / "labels.json").write_text(json.dumps(content))
    spec, _ = draft(root, capsys, unlabelled=1)
    assert Path("set_all.txt").read_text() == "a\nc d\n"
    assert lengths(spec, root) == {"all": 2}


def test_panoptic_segments(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(root, "val", "a", "b")
    (root / "panoptic_val").mkdir()
    for number, name in enumerate("ab", 1):
        ids = np.zeros((8, 10, 3), dtype=np.uint8)
        ids[CAN] = number, 1, 0
        Image.fromarray(ids).save(root / "panoptic_val" / f"{name}.png")
    content = coco({"a.png": [], "b.png": []})
    content["annotations"] = [
        {"file_name": f"{name}.png", "segments_info": [{"id": 256 + n, "category_id": n}]}
        for n, name in enumerate("ab", 1)
    ]
    (root / "panoptic_val.json").write_text(json.dumps(content))
    (root / "val.json").write_text(json.dumps(coco({"a.png": [*ONE_CAN], "b.png": []})))
    spec, text = draft(root, capsys)
    assert spec.encoding.name == "coco_panoptic"
    assert spec.label.text == "panoptic_val/{id}.png"
    assert "annotations: panoptic_val.json" in text
    assert lengths(spec, root) == {"val": 2}


@pytest.mark.parametrize("folder", ["img", "shapes"])
def test_labelme(root: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(root, ["a", "b"])
    (root / folder).mkdir(exist_ok=True)
    for name, label in (("a", "can"), ("b", "lid")):
        shape = {"label": label, "shape_type": "rectangle", "points": [[1, 1], [4, 4]]}
        (root / folder / f"{name}.json").write_text(labelme([shape]))
    spec, _ = draft(root, capsys)
    assert spec.encoding.name == "labelme"
    assert spec.label.text == f"{folder}/{{id}}.json"
    assert lengths(spec, root) == {"all": 2}


def test_cvat(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(root, "images", "a", "b")
    runs = "rle='0, 24' left='2' top='2' width='6' height='4'"
    images = "".join(
        f"<image name='{name}.png' width='10' height='8'><mask label='{label}' {runs}/></image>"
        for name, label in (("a", "can"), ("b", "lid"))
    )
    (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    spec, _ = draft(root, capsys)
    assert spec.encoding.name == "cvat"
    assert lengths(spec, root) == {"all": 2}


def test_label_studio(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(root, "images", "a", "b")
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.png"},
            "annotations": [
                {
                    "result": [
                        {
                            "id": "r",
                            "original_width": 10,
                            "original_height": 8,
                            "value": {"rle": brush(CAN), "brushlabels": [label]},
                        }
                    ]
                }
            ],
        }
        for number, (name, label) in enumerate((("a", "can"), ("b", "lid")))
    ]
    (root / "project-1.json").write_text(json.dumps(tasks))
    spec, _ = draft(root, capsys)
    assert spec.encoding.name == "label_studio"
    assert lengths(spec, root) == {"all": 2}


def test_a_class_called_background_stays_its_own(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(root, "images", "a")
    content = coco({"a.png": [*ONE_CAN]}, categories={1: "background"})
    (root / "labels.json").write_text(json.dumps(content))
    main(["new", str(root), "-o", "drafted.yaml"])
    spec = DatasetSpec.from_file("drafted.yaml")
    assert list(spec.classes) == ["rest", "background"]
    assert "2 meanings of 2; the tree is to be chosen" in capsys.readouterr().out
