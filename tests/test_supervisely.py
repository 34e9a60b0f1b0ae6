"""Labels as Supervisely writes them: what its SDK draws of them, and what is wrong with files."""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotated_sets import box_mask, open_set, write_pictures
from harmonize import HarmonizeError
from harmonize.labels.filled_polygons import fill
from harmonize.labels.supervisely_encoding import Supervisely

SIZE = (10, 8)
DRAWN = [
    {
        "classTitle": "can",
        "points": {
            "exterior": [[2, 1], [20, 3], [22, 16], [4, 14], [9, 8]],
            "interior": [[[12, 6], [18, 7], [16, 12]]],
        },
        "geometryType": "polygon",
    },
    {
        "classTitle": "lid",
        "bitmap": {
            "origin": [1, 9],
            "data": (
                "eJzrDPBz5+WS4mJgYOD19HAJAtLsQMzKyAwkN4ekzAZSbAE+Ia5A+v///0tvzr8LZDGWBPkFMzg8u5EG"
                "5Ah5ujiGVMxJ3nG0pOGl+GH5Ni0G0QQWfsZ61QlAWQZPVz+XdU4JTQAr/RxP"
            ),
        },
        "geometryType": "bitmap",
    },
    {
        "classTitle": "can",
        "points": {"exterior": [[15, 12], [19, 17]], "interior": []},
        "geometryType": "rectangle",
    },
    {
        "classTitle": "lid",
        "points": {"exterior": [[3, 4], [16, 15], [4, 1], [21, 10], [5, 17]], "interior": []},
        "geometryType": "polygon",
    },
]
AS_THE_SDK_DRAWS_IT = """
........................
..cclcc.................
...ccllccccccccc........
....cclllcccccccccccc...
...l.ccllllcccccccccc...
...ll.cllllllcccccccc...
...lll.clllllll.ccccc...
...lllllcllllllll..ccc..
....lllllclllllllllccc..
.ll.llllllcllllllllllc..
.l..lllllllcllllllllll..
.l..llllllllclllllllcc..
.lllllllllllllllllcccc..
..llllllllllllllccccccc.
....clllllllllclccccccc.
.....llllllccccclcccccc.
.....llll......cccccccc.
.....ll........ccccc....
"""
"""By supervisely 6.74.51, from the JSON that it wrote."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pictures(tmp_path, ["a"])
    return tmp_path


def supervisely(objects: Any, size: tuple[int, int] = SIZE) -> str:
    size_ = {"width": size[0], "height": size[1]}
    return json.dumps({"description": "", "tags": [], "size": size_, "objects": objects})


def png(mask: np.ndarray, mode: str = "P", *, packed: bool = True) -> str:
    """Return a mask as Supervisely stores it."""
    image = Image.fromarray(mask.astype(np.uint8))
    options: dict[str, Any] = {}
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0}
    elif mode == "RGBA":
        image = Image.fromarray(np.repeat(mask[..., None], 4, axis=2).astype(np.uint8) * 255)
    data = io.BytesIO()
    image.save(data, format="PNG", **options)
    return base64.b64encode(zlib.compress(data.getvalue()) if packed else data.getvalue()).decode()


def one(title: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"classTitle": title, "geometryType": kind, **more}


def points(exterior: Any, *interior: Any) -> dict[str, Any]:
    return {"points": {"exterior": exterior, "interior": list(interior)}}


def label(root: Path, objects: Any) -> np.ndarray:
    (root / "a.png.json").write_text(supervisely(objects))
    dataset = open_set(root, "supervisely", "{id}.png.json")
    assert (dataset[0].classes.numpy() == dataset.label(0)).all()
    return dataset.label(0)


def test_what_the_sdk_wrote_is_what_it_draws(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a"], (24, 18))
    (tmp_path / "a.png.json").write_text(supervisely(DRAWN, (24, 18)))
    found = open_set(tmp_path, "supervisely", "{id}.png.json").label(0)
    assert "\n".join("".join(".cl"[n] for n in row) for row in found) == AS_THE_SDK_DRAWS_IT.strip()


def test_holes_the_order_and_several_parts(root: Path) -> None:
    square = [[2, 2], [7, 2], [7, 5], [2, 5]]
    can = one("can", "polygon", **points(square, [[4, 3], [5, 3], [5, 4], [4, 4]]))
    wanted = box_mask(slice(2, 6), slice(2, 8)) & ~box_mask(slice(3, 5), slice(4, 6))
    assert (label(root, [can]) == wanted).all()
    box = one("cap", "rectangle", **points([[3, 7], [0, 4]]))
    corner = box_mask(slice(4, 8), slice(0, 4))
    assert (label(root, [can, box]) == np.where(corner, 2, wanted)).all()
    assert (label(root, [box, can]) == np.where(wanted, 1, np.where(corner, 2, 0))).all()
    parts = [
        {"exterior": [[0, 0], [1, 0], [1, 1], [0, 1]], "interior": []},
        {"exterior": [[8, 6], [9.9, 6], [9, 7]]},  # what follows the point is cut off
    ]
    found = label(root, [one("can", "multipolygon", parts=parts)])
    assert np.argwhere(found).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [6, 8], [6, 9], [7, 9]]
    assert not label(root, []).any()


@pytest.mark.parametrize(
    ("mode", "packed"), [("P", True), ("L", True), ("RGBA", True), ("RGBA", False), ("P", False)]
)
def test_bitmaps_of_all_kinds(root: Path, mode: str, packed: bool) -> None:
    mask = np.random.default_rng(0).random((4, 3)) < 0.5
    bitmap = {"origin": [8, 2], "data": png(mask, mode, packed=packed)}
    found = label(root, [{"classTitle": "can", "bitmap": bitmap}])  # an old file names no type
    assert (found[2:6, 8:10] == mask[:, :2]).all()  # a column of it lies outside
    assert found.sum() == mask[:, :2].sum()


def test_polygons_are_filled_to_their_edges() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        width, height = rng.integers(2, 20, 2).tolist()
        corners = np.stack([rng.integers(-4, side + 4, 5) for side in (width, height)], axis=1)
        found = fill([corners], (width, height))
        for y, x in np.ndindex(height, width):
            assert found[y, x] >= _strictly_inside(x, y, corners)
            assert found[y, x] <= (_strictly_inside(x, y, corners) | (_distance(x, y, corners) < 1))
            if _distance(x, y, corners) == 0:
                assert found[y, x]


def _strictly_inside(x: float, y: float, corners: np.ndarray) -> bool:
    """Count the edges that a ray to the right crosses."""
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
    return inside and _distance(x, y, corners) > 0


def _distance(x: float, y: float, corners: np.ndarray) -> float:
    """Return how far a point is from the nearest edge."""
    found = np.inf
    for one_, other in zip(corners.astype(float), np.roll(corners, -1, 0), strict=True):
        along = other - one_
        share = np.dot([x, y] - one_, along) / max(np.dot(along, along), 1e-9)
        found = min(found, float(np.linalg.norm(one_ + np.clip(share, 0, 1) * along - [x, y])))
    return found


def test_polygons_are_those_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(2)
    for _ in range(200):
        width, height = rng.integers(1, 60, 2).tolist()
        contours = [
            np.stack([rng.integers(0, side, number) for side in (width, height)], axis=1)
            for number in rng.integers(1, 9, rng.integers(1, 4))
        ]
        wanted = np.zeros((height, width), np.uint8)
        cv2.fillPoly(wanted, [each.astype(np.int32) for each in contours], 1)
        assert (fill(contours, (width, height)) == wanted).all()


GOOD = png(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "a.png.json: not JSON: Expecting property name"),
        ('{"shapes": []}', "a.png.json: has no list `objects`, as Supervisely's files have"),
        ('{"objects": []}', "expected the width and height of its picture, got None and None"),
        (supervisely([], (10, 9)), "10 x 9"),
        (supervisely([], (10**5, 10**5)), "says that it has 100000 x 100000 pixels"),
        (supervisely([7]), "object 1: has no `classTitle`"),
        (
            supervisely([one("can", "polyline", **points([[1, 1], [2, 2]]))]),
            "object 1 (can): a polyline says nothing about pixels; draw a polygon or a bitmap",
        ),
        (
            supervisely([{"classTitle": "can", **points([[1, 1], [2, 2]])}]),
            "object 1 (can): a figure without `geometryType` says nothing about pixels",
        ),
        (supervisely([one("can", "polygon")]), "has no `exterior` and `interior` points"),
        (
            supervisely([one("can", "polygon", **points([[1, 1], [2, 2]]))]),
            "object 1 (can): expected 3 points or more, got 2",
        ),
        (
            supervisely([one("can", "polygon", **points([1, 2, 3]))]),
            "object 1 (can): expected points [x, y], got '[1, 2, 3]'",
        ),
        (
            supervisely([one("can", "polygon", **points([[1, 1], [2, 2], [99, 3]]))]),
            "object 1 (can): a point lies far outside of the picture",
        ),
        (
            supervisely([one("can", "rectangle", **points([[1, 1], [2, 2], [3, 3]]))]),
            "object 1 (can): a rectangle has 2 points, got 3",
        ),
        (supervisely([one("can", "multipolygon")]), "a multipolygon has a list `parts`"),
        (
            supervisely([one("can", "bitmap", bitmap={"origin": [1]})]),
            "object 1 (can): its `bitmap` has no `origin` and `data` in Base64",
        ),
        (
            supervisely([one("can", "bitmap", bitmap={"origin": [1, 1], "data": "aGFsbG8="})]),
            "object 1 (can): its `data` is no PNG, compressed, in Base64",
        ),
        (
            supervisely([one("can", "bitmap", bitmap={"origin": [1, 1], "data": GOOD[:40]})]),
            "object 1 (can): its `data` is no PNG, compressed, in Base64",
        ),
        (
            supervisely([one("can", "bitmap", bitmap={"origin": [10, 1], "data": GOOD})]),
            "object 1 (can): its bitmap at [10, 1] lies outside of the picture",
        ),
        (
            supervisely([one("cup", "rectangle", **points([[1, 1], [2, 2]]))]),
            "categories that no class of things stands for: 'cup' (4 pixels",
        ),
    ],
)
def test_what_is_wrong_with_a_file(root: Path, text: str, problem: str) -> None:
    (root / "a.png.json").write_text(text)
    with pytest.raises(HarmonizeError) as caught:
        open_set(root, "supervisely", "{id}.png.json")[0]
    assert "\n" not in str(caught.value)
    assert problem in str(caught.value)


def test_a_bitmap_with_colours_is_refused(root: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (2, 2)).save(data, format="PNG")
    text = base64.b64encode(zlib.compress(data.getvalue())).decode()
    bitmap = {"origin": [0, 0], "data": text}
    with pytest.raises(HarmonizeError, match="its bitmap has colours; export it from Supervisely"):
        label(root, [one("can", "bitmap", bitmap=bitmap)])


def test_a_file_tells_the_size(root: Path) -> None:
    (root / "a.png.json").write_text(supervisely([]))
    assert Supervisely().size(root, "a.png.json") == SIZE
