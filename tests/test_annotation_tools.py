"""Labels as LabelMe, CVAT and Label Studio write them, counted by hand."""

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotated_sets import box_mask, brush, labelme, open_set, png_text, write_pictures
from harmonize import HarmonizeError
from harmonize.labels import set_index

CAN, LID = box_mask(slice(2, 6), slice(2, 8)), box_mask(slice(2, 4), slice(3, 5))
EPS = base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n").decode()
WANTED = np.where(LID, 2, np.where(CAN, 1, 0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pictures(tmp_path, ["a"])
    return tmp_path


def problem_of(root: Path, encoding: str, file: str, text: str) -> str:
    (root / file).write_text(text)
    with pytest.raises(HarmonizeError) as caught:
        open_set(root, encoding, file)[0]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def shape(label: str, kind: str, points: Any, **more: Any) -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": points, **more}


def test_labelme_draws_edges_and_the_later_on_top(root: Path) -> None:
    can = shape("can", "rectangle", [[7, 5], [2, 2]])  # both edges are inside
    lid = shape("cap", "polygon", [[3, 2], [4, 2], [4, 3], [3, 3]])
    (root / "a.json").write_text(labelme([can, lid]))
    dataset = open_set(root, "labelme", "{id}.json")
    assert (dataset.label(0) == WANTED).all()
    assert (dataset[0].classes.numpy() == WANTED).all()
    (root / "a.json").write_text(labelme([lid, can]))
    assert (dataset.label(0) == CAN).all()


def test_labelme_circles_and_masks(root: Path) -> None:
    around = shape("can", "circle", [[4, 4], [4, 2]])
    part = np.array([[1, 0, 1], [0, 1, 0]], dtype=bool)
    mask = shape("lid", "mask", [[7, 6], [9, 7]], mask=png_text(part))
    (root / "a.json").write_text(labelme([around, mask]))
    found = open_set(root, "labelme", "{id}.json").label(0)
    assert (found[6:, 7:] == np.where(part, 2, 0)).all()
    disc = found == 1
    assert disc[4, 2:7].all()
    assert not disc[4, [1, 7]].any()
    assert disc.sum() == disc.T.sum() >= 13
    assert (disc == disc[:, [8, 7, 6, 5, 4, 3, 2, 1, 0, 9]]).all()


PART = png_text(np.ones((2, 2), dtype=bool))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "a.json: not JSON: Expecting property name"),
        ("[]", "a.json: has no list `shapes`, as LabelMe's files have"),
        (
            json.dumps({"shapes": []}),
            "a.json: expected the width and height of its picture, got None and None",
        ),
        (labelme([], (10**5, 10**5)), "a.json: says that it has 100000 x 100000 pixels"),
        (labelme([], (10, 9)), "10 x 9"),
        (labelme([{}]), "a.json: shape 1: has no `label`"),
        (
            labelme([shape("can", "linestrip", [[1, 1], [2, 2]])]),
            "a.json: shape 1 (can): a linestrip says nothing about pixels; draw a polygon",
        ),
        (
            labelme([shape("can", "polygon", [[1, 1], [2, 2]])]),
            "a.json: shape 1 (can): a polygon has 3 points or more, got 2",
        ),
        (
            labelme([shape("can", "circle", [[1, 1], [2, 2], [3, 3]])]),
            "a.json: shape 1 (can): a circle has 2 points, got 3",
        ),
        (
            labelme([shape("can", "polygon", [1, 2, 3])]),
            "a.json: shape 1 (can): expected points [x, y], got '[1, 2, 3]'",
        ),
        (
            labelme([shape("can", "polygon", [[1, 1], [2, 2], [1e7, 3]])]),
            "a.json: shape 1 (can): a point lies far outside of the picture",
        ),
        (
            labelme([shape("can", "mask", [[1, 1], [2, 2]], mask="x")]),
            "a.json: shape 1 (can): its `mask` is no PNG in Base64",
        ),
        (  # of a format that other programs would have to read
            labelme([shape("can", "mask", [[1, 1], [2, 2]], mask=EPS)]),
            "a.json: shape 1 (can): its `mask` is no PNG in Base64",
        ),
        (
            labelme([shape("can", "mask", [[1, 1], [2, 3]], mask=PART)]),
            "a.json: shape 1 (can): its mask of (2, 2) pixels does not fit its points, 2 x 3 in",
        ),
        (
            labelme([shape("cup", "rectangle", [[1, 1], [2, 2]])]),
            "a.json: categories that no class of things stands for: 'cup' (4 pixels",
        ),
    ],
)
def test_what_is_wrong_with_labelme(root: Path, text: str, problem: str) -> None:
    assert problem in problem_of(root, "labelme", "a.json", text)


HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
LABELS = "<meta><job><labels><label><name>can</name></label></labels></job></meta>\n"
CAN_RUNS = "mask label='can' rle='0, 24' left='2' top='2' width='6' height='4'"
LID_RUNS = "mask label='cap' rle='1, 2, 1, 2' left='2' top='2' width='3' height='2'"


def cvat(*shapes: str, name: str = "img/a.png", size: str = "width='10' height='8'") -> str:
    image = f"<image id='0' name='{name}' {size}>\n" + "".join(f"<{one}/>\n" for one in shapes)
    return f"{HEAD}{LABELS}{image}</image>\n<image id='1' name='b.png' {size}/></annotations>"


@pytest.mark.parametrize("shapes", [(CAN_RUNS, LID_RUNS), (f"{LID_RUNS} z_order='1'", CAN_RUNS)])
def test_cvat_masks_lie_in_their_order(root: Path, shapes: tuple[str, ...]) -> None:
    (root / "a.xml").write_text(cvat(*shapes, "tag label='cup'"))
    dataset = open_set(root, "cvat", "a.xml")
    assert (dataset.label(0) == WANTED).all()
    assert (dataset[0].classes.numpy() == WANTED).all()


def test_a_cvat_picture_without_shapes_is_the_rest(root: Path) -> None:
    write_pictures(root, ["b"])
    (root / "a.xml").write_text(cvat(CAN_RUNS, name="a.png"))
    dataset = open_set(root, "cvat", "a.xml")
    assert (dataset.label(0) == CAN).all()
    assert not dataset.label(1).any()


def test_cvat_polygons_and_boxes_are_drawn_as_cocos(root: Path) -> None:
    pytest.importorskip("pycocotools")
    polygon = "polygon label='can' points='2.00,2.00;8.00,2.00;8.00,6.00;2.00,6.00'"
    box = "box label='lid' xtl='3' ytl='2' xbr='5' ybr='4'"
    (root / "a.xml").write_text(cvat(polygon, box))
    assert (open_set(root, "cvat", "a.xml").label(0) == WANTED).all()


AT = "a.xml: img/a.png: shape 1 "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<annotations>", "a.xml: not XML: no element found"),
        ("<images/>", "a.xml: begins with <images>, not as CVAT's XML for images"),
        ("<annotations><track/></annotations>", "a.xml: is CVAT's XML for video; export it as"),
        ("<annotations><image/></annotations>", "a.xml: an <image> has no name"),
        (cvat(name="c.png"), "a.xml: has no picture 'img/a.png'"),
        (cvat(name="b.png"), "a.xml: has two pictures of the name 'b.png'"),
        (cvat(size=""), "a.xml: img/a.png: expected the width and height of its picture, got None"),
        (cvat("points label='can' points='1,2'"), f"{AT}(points, can): a points is not read"),
        (
            cvat("box label='can' rotation='half'"),
            f"{AT}(box, can): a rotated box is not read; make a polygon or a mask of it",
        ),
        (
            cvat("box label='can' rotation='30'"),
            f"{AT}(box, can): a rotated box is not read; make a polygon or a mask of it",
        ),
        (
            cvat("polygon label='can' points='1,2;3,4'"),
            f"{AT}(polygon, can): a polygon has x and y of 3 corners or more, got 4 numbers",
        ),
        (
            cvat("polygon label='can' points='1,2;x'"),
            f"{AT}(polygon, can): corners are numbers, got ['1', '2', 'x']",
        ),
        (cvat(CAN_RUNS.replace("24", "x")), f"{AT}(mask, can): its rle is no list of numbers"),
        (cvat(CAN_RUNS.replace("24", "9")), f"{AT}(mask, can): its rle has 9 pixels, its box 24"),
        (cvat(CAN_RUNS.replace("left='2'", "left='7'")), f"{AT}(mask, can): its box lies outside"),
        (cvat(CAN_RUNS.replace("can", "cup")), "img/a.png: categories that no class of things"),
    ],
)
def test_what_is_wrong_with_cvat(root: Path, text: str, problem: str) -> None:
    assert problem in problem_of(root, "cvat", "a.xml", text)


def test_cvat_in_another_encoding_is_told(root: Path) -> None:
    text = cvat("tag label='ü'").replace("utf-8", "latin-1")
    (root / "a.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(
        HarmonizeError, match=r"a\.xml: img/a\.png: cannot be read; save the XML as"
    ):
        open_set(root, "cvat", "a.xml").label(0)


def region(number: int, label: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "type": "brushlabels",
        "original_width": 10,
        "original_height": 8,
        "image_rotation": 0,
        "value": {"brushlabels": [label], **value},
        **more,
    }


CAN_BRUSH = region(1, "can", {"format": "rle", "rle": brush(CAN)})
LID_BRUSH = region(2, "cap", {"format": "rle", "rle": brush(LID)})


def tasks(*results: Any, image: str = "/data/upload/1/0a1b2c3d-a.png", **more: Any) -> str:
    annotation = {"id": 5, "was_cancelled": False, "result": list(results)}
    task = {"id": 3, "data": {"image": image, "n": 1}, "annotations": [annotation], **more}
    return json.dumps([task])


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/0a1b2c3d-a.png",
        "/data/local-files/?d=img/a.png",
        "s3://bucket/img/a.png",
        "http://host/data/upload/7/a.png?token=x",
    ],
)
def test_label_studio_brushes_and_addresses(root: Path, image: str) -> None:
    (root / "a.json").write_text(tasks(CAN_BRUSH, LID_BRUSH, {"type": "choices"}, image=image))
    dataset = open_set(root, "label_studio", "a.json")
    assert (dataset.label(0) == WANTED).all()
    assert (dataset[0].classes.numpy() == WANTED).all()


def test_label_studio_polygons_and_boxes_are_in_percent(root: Path) -> None:
    pytest.importorskip("pycocotools")
    points = {"points": [[20, 25], [80, 25], [80, 75], [20, 75]]}
    can = {"id": "p", "type": "polygon", "original_width": 10, "original_height": 8}
    label = {**can, "type": "labels", "value": {**points, "labels": ["can"]}}
    box = {"x": 30, "y": 25, "width": 20, "height": 25, "rotation": 0}
    lid = region(2, "lid", {})
    lid["value"] = {**box, "rectanglelabels": ["lid"]}
    (root / "a.json").write_text(tasks({**can, "value": points}, label, lid))
    assert (open_set(root, "label_studio", "a.json").label(0) == WANTED).all()


def test_of_several_annotations_the_ground_truth_counts(root: Path) -> None:
    own = {"id": 1, "result": [CAN_BRUSH], "ground_truth": True}
    others = [{"id": 2, "result": [LID_BRUSH]}, {"id": 3, "result": [], "was_cancelled": True}]
    (root / "a.json").write_text(tasks(annotations=[own, *others]))
    assert (open_set(root, "label_studio", "a.json").label(0) == CAN).all()
    problem = problem_of(root, "label_studio", "a.json", tasks(annotations=[*others, *others]))
    assert "a.json: task 3: has 2 annotations; mark one as ground truth" in problem
    (root / "a.json").write_text(tasks(annotations=[]))
    assert not open_set(root, "label_studio", "a.json").label(0).any()


R1 = "a.json: task 3: region r1: "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": [1]}', "a.json: task ?: has no `data`; export from Label Studio as JSON"),
        (tasks(image="/a.txt"), "a.json: task 3: expected one picture in `data`, got 0"),
        (tasks(image="/b.png"), "a.json: has no picture 'img/a.png'"),
        (tasks({**CAN_BRUSH, "original_width": 20}), f"{R1}was drawn on a picture of 20 x 8"),
        (tasks({**CAN_BRUSH, "image_rotation": 90}), f"{R1}was drawn on a picture of 10 x 8 pix"),
        (tasks(region(1, "can", {"rle": [1, 2]})), f"{R1}its RLE is not whole, or none of Label"),
        (tasks(region(1, "can", {"rle": [999]})), f"{R1}its RLE is not whole, or none of Label"),
        (
            tasks(region(1, "can", {"rle": brush(CAN)[:-3]})),
            f"{R1}its RLE is not whole, or none of Label",
        ),
        (
            tasks(region(1, "can", {"rle": brush(CAN[:4])})),
            f"{R1}its RLE is of 40 pixels, its picture has 80",
        ),
        (
            tasks(region(1, "can", {"points": [[1, 1], [2, 2]]})),
            f"{R1}a polygon has x and y of 3 corners or more, got 4 numbers",
        ),
        (tasks(region(1, "can", {"points": [1]})), f"{R1}expected points in percent of the"),
        (
            tasks(region(1, "can", {"x": 1, "y": 1, "width": 5, "height": 5, "rotation": 9})),
            f"{R1}ellipses and turned boxes are not read; draw a polygon",
        ),
        (
            tasks(region(1, "can", {"brushlabels": ["can", "lid"], "rle": []})),
            f"{R1}has several labels: ['can', 'lid']",
        ),
        (tasks(region(1, "can", {"brushlabels": [], "rle": []})), f"{R1}has no label"),
        (
            tasks(region(1, "cup", {"rle": brush(CAN)})),
            "a.json: task 3: categories that no class of things stands for: 'cup' (24 pixels",
        ),
    ],
)
def test_what_is_wrong_with_label_studio(root: Path, text: str, problem: str) -> None:
    assert problem in problem_of(root, "label_studio", "a.json", text)


def test_two_uploads_of_one_name_are_several(root: Path) -> None:
    both = [
        {"id": n, "data": {"image": f"/data/upload/1/0a1b2c3{n}-a.png"}, "annotations": []}
        for n in (1, 2)
    ]
    problem = problem_of(root, "label_studio", "a.json", json.dumps(both))
    assert "a.json: has several pictures that may be 'img/a.png'" in problem


def test_a_loader_process_gets_the_index_and_reads_no_file_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.json").write_text(tasks(CAN_BRUSH))
    dataset = open_set(root, "label_studio", "a.json")
    sent = pickle.dumps(dataset)
    monkeypatch.setattr(set_index, "_open", {})
    monkeypatch.setattr(set_index.IndexBuilder, "build", None)  # as in another process
    assert (pickle.loads(sent).label(0) == CAN).all()


def test_many_pictures_that_a_file_lacks_are_counted(root: Path) -> None:
    write_pictures(root, ["b", "c", "d", "e"])
    (root / "a.json").write_text(tasks(CAN_BRUSH))
    with pytest.raises(HarmonizeError) as caught:
        open_set(root, "label_studio", "a.json")
    *named, last = caught.value.problems
    assert [line.rpartition(": ")[2] for line in named] == [
        f"has no picture 'img/{name}.png'" for name in "bcd"
    ]
    assert last == (
        "things.yaml:6:10: splits.all: 1 more label is not found; list the pictures that have one"
    )
