"""harmonize new on exports of Supervisely, Roboflow and the YOLO tools."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotated_sets import box_mask
from documents import marked_blocks
from harmonize.cli import main
from harmonize.config.strict_yaml import load_text
from harmonize.labels.dataset_spec import DatasetSpec
from test_draft_annotations import draft, lengths, pictures, root

__all__ = ["root"]

CAN, LID = "0.2 0.25 0.8 0.25 0.8 0.75 0.2 0.75", "0.3 0.25 0.5 0.25 0.5 0.5"
NAMES = "names:\n  0: lid\n  1: can\n  2: unused\n"


def write_polygons(root: Path, folder: str, **lines: str) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, line in lines.items():
        (root / folder / f"{name}.txt").write_text(line)


def fit_for(spec: DatasetSpec) -> dict[str, tuple[int, ...]]:
    return {name: entry.values for name, entry in spec.classes.items()}


@pytest.mark.parametrize("by_split", [True, False], ids=["roboflow", "ultralytics"])
def test_yolo(root: Path, by_split: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for split, other in (("train", 1), ("valid", 0)):
        photos = f"{split}/images" if by_split else f"images/{split}"
        pictures(root, photos, "a", "b", "c")
        labels = photos.replace("images", "labels")
        write_polygons(root, labels, a=f"1 {CAN}\n", b=f"{other} {LID}\n")
        (root / labels / "notes.txt").write_text("not of a picture\n")
    (root / "README.dataset.txt").write_text("made by people\n")
    (root / "data.yaml").write_text(f"train: ../train/images\n{NAMES}nc: 3\n")
    spec, text = draft(root, capsys, unlabelled=2)
    assert spec.encoding.name == "yolo"
    assert fit_for(spec) == {"background": (), "can": (1,), "lid": (0,)}  # not the unused
    assert lengths(spec, root) == {"train": 2, "val": 2}  # pictures without a file are left out
    assert spec.label.text == ("{labels}/{id}.txt")
    assert "# 3 annotations" in text


def test_yolo_with_a_list_of_names_beside_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(root, "all", "a", "b")
    write_polygons(root, "all", a=f"1 {CAN}\n", b=f"0 {LID}\n")
    (root / "classes.txt").write_text("lid\ncan\n")
    spec, _ = draft(root, capsys)
    assert fit_for(spec) == {"background": (), "can": (1,), "lid": (0,)}
    assert spec.label.text == "all/{id}.txt"


def test_numbers_without_names_are_classes_too(root: Path) -> None:
    pictures(root, "images", "a")
    write_polygons(root, "labels", a=f"1 {CAN}\n7 {LID}\n")
    main(["new", str(root), "-o", "drafted.yaml"])
    spec = DatasetSpec.from_file("drafted.yaml")
    assert fit_for(spec) == {"background": (), "class 1": (1,), "class 7": (7,)}


@pytest.mark.parametrize(
    "line", ["1 0.5 0.5 0.2 0.2", "1 0.5 0.5 0.2", "can 1 2 3", "1 4 5 6 7 8 9", "1 - - - - - -"]
)
def test_boxes_and_other_texts_are_no_polygons(
    root: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(root, "images", "a")
    write_polygons(root, "labels", a=f"{line}\n")
    with pytest.raises(SystemExit):
        main(["new", str(root), "-o", "drafted.yaml"])
    assert not Path("drafted.yaml").exists()
    assert "nothing pairs up" in capsys.readouterr().err


def test_supervisely(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dataset, title in (("train", "can"), ("val", "lid")):
        pictures(root, f"{dataset}/img", "a", "b")
        (root / dataset / "ann").mkdir()
        for name in "ab":
            figure = {
                "classTitle": title,
                "geometryType": "rectangle",
                "points": {"exterior": [[1, 1], [4, 4]], "interior": []},
            }
            size = {"width": 10, "height": 8}
            content = {"description": "", "tags": [], "size": size, "objects": [figure]}
            file = root / dataset / "ann" / f"{name}.png.json"
            file.write_text(json.dumps(content))
    classes = [{"title": name, "shape": "any"} for name in ("lid", "can", "spare")]
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    spec, text = draft(root, capsys)
    assert spec.encoding.name == "supervisely"
    assert spec.label.text == "{labels}/{id}.png.json"
    assert lengths(spec, root) == {"train": 2, "val": 2}
    assert set(spec.classes) == {"background", "can", "lid"}
    assert "can: ~          # 2 annotations" in text
    words = ["--scan", "1", "--tree", "things.txt", "-o", "drafted.yaml", "--force"]
    main(["new", str(root), *words])  # not all are read, so the project's classes are taken
    assert set(DatasetSpec.from_file("drafted.yaml").classes) == {*spec.classes, "spare"}


def test_roboflow_masks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "valid"):
        names = [f"{split}{name}_png.rf.0{name}" for name in "abcd"]
        pictures(root, split, *names)
        for name in names:
            mask = box_mask(slice(2, 6), slice(2, 8)).astype(np.uint8) * 2
            mask[3, 4] = 2 - ("rf.0a" not in name)
            Image.fromarray(mask).save(root / split / f"{name}_mask.png")
            seed = sum(name.encode())
            noise = np.random.default_rng(seed).integers(0, 255, (8, 10, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / split / f"{name}.jpg")
            (root / split / f"{name}.png").unlink()
        table = "Pixel Value, Class\n0, background\n1, lid\n2, can\n"
        (root / split / "_classes.csv").write_text(table)
    spec, _ = draft(root, capsys)
    assert spec.encoding.name == "ids"
    assert fit_for(spec) == {"background": (0,), "lid": (1,), "can": (2,)}
    assert lengths(spec, root) == {"train": 4, "val": 4}


def test_the_mappings_of_the_guide_are_those_that_are_drafted(repo: Path) -> None:
    blocks = marked_blocks(repo / "docs/guides/exports.md")
    specs = [DatasetSpec.from_document(load_text(one.text, one.file or "")) for one in blocks]
    assert [spec.encoding.name for spec in specs] == ["supervisely", "ids", "yolo"]
    assert [spec.name for spec in specs] == ["supervisely", "roboflow", "yolo"]


def test_yolo_boxes_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(root, "images", "a", "b")
    write_polygons(root, "labels", a="1 0.5 0.5 0.2 0.2\n", b="")
    with pytest.raises(SystemExit):
        main(["new", str(root), "--tree", "things.txt"])
    told = "labels: 2 files of YOLO's boxes, which tell no pixels; export the polygons"
    assert told in capsys.readouterr().err
