"""Polygons as YOLO tools write them, read at the size of their pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec

MAPPING = """
name: cans
picture: images/{id}.jpg
label: labels/{id}.txt
encoding: yolo
splits: {train: {glob: "labels/{id}.txt"}}
classes: {ground: ~, can: 0, lid: [1, 2]}
meaning: {things: {ground: ground, can: can, lid: lid}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture of 10 x 8 pixels with a can of 6 x 4 and a lid of 2 x 2 on it."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.full((8, 10, 3), 90, dtype=np.uint8)).save(tmp_path / "images" / "a.jpg")
    lid = "2 0.3 0.25 0.5 0.25 0.5 0.5 0.3 0.5"
    can = "0 0.2 0.25 0.8 0.25 0.8 0.75 0.2 0.75"
    (tmp_path / "labels" / "a.txt").write_text(f"{lid}\n\n{can}\n")
    (tmp_path / "things.txt").write_text("ground\nobject\n\tcan\n\tlid\n")
    (tmp_path / "cans.yaml").write_text(f"root: {tmp_path}\n{MAPPING}")
    return tmp_path


def read(folder: Path) -> np.ndarray:
    spec = DatasetSpec.from_file(folder / "cans.yaml")
    dataset = SegmentationDataset(spec, "train", root=folder)
    assert (dataset.label(0) == dataset[0].classes.numpy()).all()
    return dataset.label(0)


def test_the_smaller_polygon_lies_on_top_and_what_none_covers_is_the_rest(folder: Path) -> None:
    wanted = np.zeros((8, 10), dtype=int)
    wanted[2:6, 2:8] = 1
    wanted[2:4, 3:5] = 2
    assert (read(folder) == wanted).all()
    assert main(["check", str(folder / "things.txt"), str(folder / "cans.yaml")]) == 0


def test_an_empty_file_is_a_picture_without_objects(folder: Path) -> None:
    (folder / "labels" / "a.txt").write_text("")
    assert not read(folder).any()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 0.5 0.5 0.2 0.2", "a.txt:1: is a box (centre, width, height), which says nothing"),
        ("0 0.1 0.1 0.2 0.2 0.3", "a.txt:1: expected x and y of 3 corners or more, got"),
        ("0 10 10 20 10 20 20", "a.txt:1: corners are fractions of the picture's sides"),
        ("can 0.1 0.1", "a.txt:1: expected a class number and the corners x y x y"),
        (
            "7 0 0 0.5 0 0.5 0.5 0 0.5",
            "a.txt: class numbers that no class of cans stands for: 7",
        ),
    ],
)
def test_what_cannot_be_read_is_told(folder: Path, text: str, problem: str) -> None:
    (folder / "labels" / "a.txt").write_text(text)
    with pytest.raises(HarmonizeError) as error:
        read(folder)
    assert problem in str(error.value)


def test_pixels_in_no_polygon_need_a_class(folder: Path) -> None:
    text = (folder / "cans.yaml").read_text()
    (folder / "cans.yaml").write_text(
        text.replace("ground: ~, ", "").replace("ground: ground, ", "")
    )
    with pytest.raises(HarmonizeError, match="56 pixels lie in no polygon; give a class ~"):
        read(folder)


def test_a_picture_without_a_label_file_is_told(folder: Path) -> None:
    text = (folder / "cans.yaml").read_text()
    (folder / "cans.yaml").write_text(
        text.replace('glob: "labels/{id}.txt"', 'glob: "images/{id}.jpg"')
    )
    (folder / "labels" / "a.txt").unlink()
    with pytest.raises(HarmonizeError, match=r"missing from .*: labels/a\.txt"):
        read(folder)
