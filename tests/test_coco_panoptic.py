"""COCO's panoptic labels: PNG files of segments, and a JSON that says what they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotated_sets import box_mask, coco, open_set, rle, write_pictures
from harmonize import HarmonizeError
from harmonize.data.labels import LabelReader
from harmonize.labels.class_table import UnknownValuesError

CAN, LID = box_mask(slice(2, 6), slice(2, 8)), box_mask(slice(2, 4), slice(3, 5))
ANNOTATION = {"category_id": 1, "segmentation": rle(CAN)}


def write(root: Path, content: Any) -> None:
    (root / "a.json").write_text(json.dumps(content))


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    """The same picture as segments 300 (can) and 70000 (cap), and pixels of none."""
    write_pictures(tmp_path, ["a"])
    ids = np.where(LID, 70_000, np.where(CAN, 300, 0))
    colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    Image.fromarray(colors).save(tmp_path / "a.png")
    write(tmp_path, segments({"id": 300, "category_id": 1}, {"id": 70_000, "category_id": 7}))
    return tmp_path


def segments(*infos: Any) -> dict[str, Any]:
    content = coco({})
    content["annotations"] = [{"image_id": 1, "file_name": "a.png", "segments_info": list(infos)}]
    return content


def read_panoptic(root: Path) -> np.ndarray:
    return open_set(root, "coco_panoptic", "{id}.png", "annotations: a.json").label(0)


def test_segments_are_numbers_of_three_bytes(panoptic: Path) -> None:
    wanted = np.where(LID, 2, np.where(CAN, 1, 0))
    assert (read_panoptic(panoptic) == wanted).all()


CAN_INFO = {"id": 300, "category_id": 1}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (segments(CAN_INFO), "a.png: segment 70000 (4 pixels) has no entry in `segments_info`"),
        (segments(CAN_INFO, CAN_INFO), "a.json: a.png: segment 300: there are two of this id"),
        (segments({"id": -1}), "a.json: a.png: segment -1: a segment's id is a number from 0 to"),
        (segments(3), "a.json: a.png: segment None: a segment's id is a number from 0 to"),
        (
            segments({"id": 300, "category_id": 8}),
            "a.json: a.png: segment 300: category_id 8 is in none of `categories`",
        ),
        (
            coco({"a.png": [ANNOTATION]}),
            "annotations 100: has no `segments_info`; say encoding: co",
        ),
        ({"annotations": []}, "a.json: has no list 'categories', as COCO's JSON has"),
        (
            {**segments(), "annotations": [{"segments_info": []}]},
            "a.json: annotations ?: expected text as 'file_name', got None",
        ),
        (
            {**segments(), "annotations": [{"segments_info": [], "file_name": "b.png"}]},
            "a.json: has no picture 'a.png'",
        ),
    ],
)
def test_what_is_wrong_with_segments_is_one_line(
    panoptic: Path, content: Any, problem: str
) -> None:
    write(panoptic, content)
    with pytest.raises(HarmonizeError) as caught:
        read_panoptic(panoptic)
    assert problem in str(caught.value)


def test_a_grey_picture_has_no_segments(panoptic: Path) -> None:
    Image.new("L", (10, 8)).save(panoptic / "a.png")
    with pytest.raises(HarmonizeError, match=r"a\.png: expected a colour picture, as segments are"):
        read_panoptic(panoptic)


def test_segments_of_a_category_without_a_class_are_told(panoptic: Path) -> None:
    cup = {"id": 70_000, "category_id": 9}
    content = segments(CAN_INFO, cup)
    content["categories"].append({"id": 9, "name": "cup"})
    write(panoptic, content)
    dataset = open_set(panoptic, "coco_panoptic", "{id}.png", "annotations: a.json")
    with pytest.raises(UnknownValuesError) as caught:
        LabelReader(dataset.spec).read(panoptic, dataset.files.label(0))
    assert caught.value.counts == {"cup": 4}
