"""COCO's labels: polygons, runs of pixels, and segments of PNG files."""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import annotated_sets
from annotated_sets import box_mask, coco, open_set, rle, runs_as_text, write_pictures
from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.data.cache_entry import EntryNames
from harmonize.data.labels import LabelReader
from harmonize.labels.class_table import UnknownValuesError
from harmonize.labels.rle import read_runs

CAN, LID = box_mask(slice(2, 6), slice(2, 8)), box_mask(slice(2, 4), slice(3, 5))
ORDER = "order: area"


def write(root: Path, content: Any, name: str = "a.json") -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (root / name).write_text(text)


def read(root: Path, *more: str) -> np.ndarray:
    dataset = open_set(root, "coco", "a.json", *more)
    assert (dataset.label(0) == dataset[0].classes.numpy()).all()
    return dataset.label(0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A picture of 10 x 8 pixels with a lid of 2 x 2 that a can of 6 x 4 is written after."""
    write_pictures(tmp_path, ["a"])
    lid, can = rle(LID), rle(CAN, as_text=True)
    listed = [{"category_id": n, "segmentation": one} for n, one in ((7, lid), (1, can))]
    write(tmp_path, coco({"a.png": listed}))
    return tmp_path


def change(root: Path, how: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((root / "a.json").read_text())
    how(content)
    write(root, content)


def test_the_smaller_or_the_later_lies_on_top(root: Path) -> None:
    wanted = np.zeros((8, 10), dtype=int)
    wanted[2:6, 2:8] = 1
    assert (read(root, "order: file") == wanted).all()
    wanted[2:4, 3:5] = 2
    assert (read(root, ORDER) == wanted).all()


def test_without_an_order_nothing_may_overlap_but_one_class(root: Path) -> None:
    with pytest.raises(HarmonizeError) as caught:
        read(root)
    assert (
        f"{root}/a.json: a.png: annotation 100 (cap) and annotation 101 (can) have 4 pixels in "
        "common; say which lies on top: `order: area` for the smaller, `order: file` for the later"
    ) in str(caught.value)
    change(root, lambda content: content["annotations"][0].update(category_id=1))
    assert (read(root) == CAN).all()


@pytest.mark.parametrize("seed", range(5))
def test_runs_and_their_text_are_the_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 53)) < rng.choice([0.02, 0.5, 0.98])
    mask[: rng.integers(0, 37)] = False
    size = 53, 37
    for as_text in (False, True):
        runs = read_runs(rle(mask, as_text=as_text), size, "")
        values = np.arange(len(runs)) % 2
        assert (mask == np.repeat(values, runs).reshape(53, 37).T).all()


def test_long_runs_are_read() -> None:
    runs = [0, 5_000_000, 3, 70, 1, 4_999_926]
    found = read_runs({"size": [2500, 4000], "counts": runs_as_text(runs)}, (4000, 2500), "")
    assert found.tolist() == runs


def test_polygons_are_drawn_as_pycocotools_does(root: Path) -> None:
    mask_tools = pytest.importorskip("pycocotools.mask")
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # in its `decode`
    rng = np.random.default_rng(0)
    polygons = [(rng.random(n) * np.tile([10, 8], n // 2)).round(2).tolist() for n in (6, 8, 14)]
    for parts in [[one] for one in polygons] + [polygons[:2]]:
        one = {"category_id": 1, "segmentation": parts}
        write(root, coco({"a.png": [one]}))
        merged = mask_tools.merge(mask_tools.frPyObjects(parts, 8, 10))
        assert (read(root) == mask_tools.decode(merged)).all()
    square = {"category_id": 1, "segmentation": [[2, 2, 8, 2, 8, 6, 2, 6]]}
    write(root, coco({"a.png": [square]}))
    assert (read(root) == CAN).all()


def test_a_missing_package_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pycocotools", "pycocotools.mask"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    square = {"category_id": 1, "segmentation": [[2, 2, 8, 2, 8, 6, 2, 6]]}
    write(root, coco({"a.png": [square]}))
    with pytest.raises(HarmonizeError) as caught:
        read(root)
    assert (
        f"{root}/a.json: annotation 100: needs pycocotools.mask, which is not installed; "
        "pip install 'harmonize-seg[coco]'"
    ) in str(caught.value)


def test_a_picture_without_annotations_is_the_rest_and_needs_its_class(root: Path) -> None:
    write(root, coco({"a.png": []}))
    assert not read(root).any()


ANNOTATION = {"category_id": 1, "segmentation": rle(CAN)}


def with_annotation(**changes: Any) -> dict[str, Any]:
    return coco({"a.png": [{**ANNOTATION, **changes}]})


WHERE = "a.json: annotation 100: "


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"images": [}', "a.json: not JSON: Expecting value (byte 12)"),
        ('{"other": [1,]}', "a.json: not JSON: a comma before the end (byte 13)"),
        ('{"images" 1}', "a.json: not JSON: expected ':' (byte 10)"),
        ("{} {}", "a.json: not JSON: more text after its end (byte 2)"),
        ("7", "a.json: not JSON: expected an object or a list (byte 0)"),
        ("", "a.json: not JSON: expected an object or a list (byte 0)"),
        ('{"a": ' + "[" * 100_000, "a.json: not JSON that can be read: nested too deeply"),
        ("[]", "a.json: has no list 'images', as COCO's JSON has"),
        ('{"images": [3]}', "a.json: images ?: expected an object, got '3'"),
        ('{"images": [{"id": "x"}]}', "a.json: images x: expected a whole number as 'id', got 'x'"),
        ('{"images": [{"id": 1}]}', "a.json: images 1: expected text as 'file_name', got None"),
        (
            with_annotation(image_id=5),
            "a.json: annotations 100: image_id 5 is in none of `images`",
        ),
        (with_annotation(image_id=None), "annotations 100: expected a whole number as 'image_id'"),
        (
            {**with_annotation(), "categories": [{"id": 1, "name": "a"}] * 2},
            "a.json: categories 1: there are two of this id",
        ),
        (
            {**with_annotation(), "images": [{"id": 0, "file_name": "a.png"}] * 2},
            "a.json: images 0: there are two of this id",
        ),
        (
            {
                **with_annotation(),
                "images": [{"id": 0, "file_name": "a.png"}, {"id": 1, "file_name": "./a.png"}],
            },
            "a.json: has two pictures of the name 'a.png'",
        ),
        (with_annotation(segments_info=[]), "say encoding: coco_panoptic"),
        (with_annotation(category_id=9), f"{WHERE}category_id 9 is in none of `categories`"),
        (
            with_annotation(segmentation=[]),
            f"{WHERE}has no segmentation, and a box says nothing about pixels",
        ),
        (
            with_annotation(segmentation=[[1, 1, 2, 2]]),
            f"{WHERE}a polygon has x and y of 3 corners or more, got 4 numbers",
        ),
        (
            with_annotation(segmentation=[[1, 1, 2, 2, 3, 3, 4]]),
            f"{WHERE}a polygon has x and y of 3 corners or more, got 7 numbers",
        ),
        (
            with_annotation(segmentation=[1, 1, 2, 2, 3, 3]),
            f"{WHERE}expected a list of polygons, got '1'",
        ),
        (
            with_annotation(segmentation=[[1, 1, 2, 2, 3, "x"]]),
            f"{WHERE}corners are numbers, got",
        ),
        (
            with_annotation(segmentation=[[1, 1, 2, 2, 3, 1e9]]),
            f"{WHERE}a corner at 1e+09 lies far outside of its picture, which ends at 8",
        ),
        (
            with_annotation(segmentation={"size": [10, 8], "counts": [80]}),
            f"{WHERE}its RLE is of the size [10, 8] (height, width), its picture of [8, 10]",
        ),
        (
            with_annotation(segmentation={"size": [8, 10], "counts": [40]}),
            f"{WHERE}its RLE has 40 pixels, its picture 80",
        ),
        (
            with_annotation(segmentation={"size": [8, 10], "counts": [90, -10]}),
            f"{WHERE}its RLE has 80 pixels, its picture 80",
        ),
        (
            with_annotation(segmentation={"size": [8, 10], "counts": "zzé"}),
            f"{WHERE}its RLE is no text of COCO's",
        ),
        (
            with_annotation(segmentation={"size": [8, 10], "counts": "PPPPPPP0"}),
            f"{WHERE}its RLE is no text of COCO's",
        ),
        (
            with_annotation(segmentation={"size": [8, 10], "counts": "0P"}),
            f"{WHERE}its RLE is no text of COCO's",
        ),
        (
            with_annotation(segmentation={"size": [8, 10]}),
            f"{WHERE}expected RLE counts, a list of numbers or a text",
        ),
        (
            {**with_annotation(), "images": [{"id": 0, "file_name": "a.png", "width": "10"}]},
            "a.json: a.png: expected the width and height of its picture, got '10' and None",
        ),
        (coco({"b.png": []}), "a.json: has no picture 'img/a.png'"),
        (coco({"b/a.png": []}), "a.json: has no picture 'img/a.png'"),
        (coco({"x/img/a.png": [], "y/img/a.png": []}), "a.json: has several pictures that may be"),
        (
            coco({"a.png": [ANNOTATION]}, (12, 8)),
            "its RLE is of the size [8, 10] (height, width), its picture of [8, 12]",
        ),
        (coco({"a.png": []}, (12, 8)), "12 x 8"),
    ],
)
def test_what_cannot_be_read_is_one_line(root: Path, content: Any, problem: str) -> None:
    write(root, content)
    with pytest.raises(HarmonizeError) as caught:
        read(root)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_that_is_no_utf_8_is_told(root: Path) -> None:
    content = json.dumps(coco({"ä.png": []}), ensure_ascii=False)
    (root / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(HarmonizeError, match=r"a\.json .byte \d+.: not UTF-8 text; save as UTF-8"):
        read(root)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_names_of_any_script_are_found(root: Path, *, ascii_only: bool) -> None:
    (root / "img" / "a.png").rename(root / "img" / "日é.png")
    one = {**ANNOTATION, "caption": "für 日"}
    content = coco({"日é.png": [one]}, categories={1: "can", 2: "Löffel"})
    write(root, "\ufeff" * (not ascii_only) + json.dumps(content, ensure_ascii=ascii_only))
    assert (read(root) == CAN).all()


@pytest.mark.parametrize("name", ["img/a.png", "/data/x/img/a.png", "./a.png", "img\\a.png"])
def test_a_picture_is_found_by_the_end_of_its_path(root: Path, name: str) -> None:
    write(root, coco({name: [ANNOTATION], "img/b.png": []}))
    assert (read(root) == CAN).all()


def test_a_category_without_a_class_is_told_with_its_pixels(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(root, lambda content: content["categories"][2].update(name="cup"))
    dataset = open_set(root, "coco", "a.json", ORDER)
    with pytest.raises(UnknownValuesError) as caught:
        LabelReader(dataset.spec).read(root, dataset.files.label(0))
    assert caught.value.counts == {"cup": 4}
    assert "a.json: a.png: categories that no class of things stands for: 'cup' (4 pixels; " in str(
        caught.value
    )
    (root / "things.txt").write_text("ground\nobject\n\tcan\n\tlid\n")
    (root / "things.yaml").write_text(f"root: {root}\n{dataset.spec.text}")
    assert main(["check", str(root / "things.txt"), str(root / "things.yaml")]) == 1
    out = capsys.readouterr().out
    assert (
        "the category 'cup' is no class's, but stands in 4 pixels of 1 label file, such as" in out
    )


def test_a_changed_file_is_read_anew_and_has_another_place_in_the_cache(root: Path) -> None:
    dataset = open_set(root, "coco", "a.json", ORDER)
    before, name = dataset.label(0), EntryNames(dataset).name(0, 1)
    assert EntryNames(dataset).name(0, 1) == name
    change(root, lambda content: content["annotations"].pop(0))
    assert (dataset.label(0) == CAN).all()
    assert (before != dataset.label(0)).any()
    assert EntryNames(dataset).name(0, 1) != name
    os.remove(root / "a.json")  # noqa: PTH107
    with pytest.raises(HarmonizeError, match=r"a\.json: no such file or directory"):
        dataset.label(0)


def test_a_mapping_says_what_is_wrong_with_its_keys(root: Path) -> None:
    with pytest.raises(HarmonizeError, match="order: belongs to encoding: coco, not labelme"):
        open_set(root, "labelme", "{id}.json", ORDER)
    with pytest.raises(HarmonizeError, match="annotations: the JSON with the segments is missing"):
        open_set(root, "coco_panoptic", "{id}.png")
    with pytest.raises(
        HarmonizeError, match=r"annotations: '/x\.json' leads out of the data set's"
    ):
        open_set(root, "coco_panoptic", "{id}.png", "annotations: /x.json")


def test_a_picture_is_scaled_to_the_size_that_the_file_tells(root: Path) -> None:
    write_pictures(root, ["a"], (20, 16))
    dataset = open_set(root, "coco", "a.json", ORDER, "resize_picture: true")
    assert dataset.size(0) == (10, 8)
    assert dataset[0].picture.shape == (3, 8, 10)


def test_pixels_of_no_annotation_need_a_class(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = annotated_sets.MAPPING.replace("ground: []", "ground: ~")
    monkeypatch.setattr(annotated_sets, "MAPPING", text)
    with pytest.raises(HarmonizeError) as caught:
        read(root, ORDER)
    assert (
        f"{root}/a.json: a.png: 56 pixels lie in no annotation; give a class the value [] for "
        "them, with the meaning `ignore` if they are void"
    ) in str(caught.value)
