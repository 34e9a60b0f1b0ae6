"""Annotations as LabelMe's JSON files: polygons wherever it draws them exactly, masks elsewhere."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray
from PIL import Image, ImageDraw

from harmonize.inference.annotations.annotated_classes import AnnotatedClasses
from harmonize.inference.annotations.parts import Part

# Letters of shapes: H x W pixels of a picture, h x w of a part's box, N corners.

LABELS = "labels.txt"
_CORNERS = 3


class LabelMeWriter:
    """A JSON beside each picture. What lies in a hole is drawn after what is around it.

    So that a part with holes is a polygon too, where all of its holes are covered by later shapes.
    """

    encoding = "labelme"
    options = {}  # noqa: RUF012
    label = "{label}"
    files = (LABELS,)
    endings: Sequence[str] = ()

    def __init__(self, classes: AnnotatedClasses) -> None:
        """Begin a project."""
        self._classes = classes

    def add(self, name: str, size: tuple[int, int], parts: Sequence[Part]) -> dict[str, bytes]:
        """Return the file of a picture of a width and height."""
        covered = np.zeros(size[::-1], dtype=bool)
        for part in parts:
            wide, high = part.size
            covered[part.top : part.top + high, part.left : part.left + wide] |= part.mask
        shapes = [(_filled(part, covered), part) for part in parts]
        shapes.sort(key=lambda one: (one[1].is_crumbs, -int(one[0].sum())))
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [self._shape(part, filled) for filled, part in shapes],
            "imagePath": PurePosixPath(name).name,
            "imageData": None,
            "imageHeight": size[1],
            "imageWidth": size[0],
        }
        return {label_of(name): (json.dumps(content, indent=1) + "\n").encode()}

    def finish(self) -> dict[str, bytes]:
        """Return the names of the classes, for ``labelme --labels``."""
        return {LABELS: "".join(f"{one.name}\n" for _, one in self._classes.drawn).encode()}

    def _shape(self, part: Part, filled: Bool[ndarray, "h w"]) -> dict[str, Any]:
        corners = part.middles(filled)
        is_polygon = corners is not None and _is_exact(corners, part, filled)
        right, bottom = part.left + part.size[0] - 1, part.top + part.size[1] - 1
        box = [[part.left, part.top], [right, bottom]]
        return {
            "label": self._classes.classes[part.number].name,
            "points": corners.tolist() if corners is not None and is_polygon else box,
            "group_id": None,
            "description": "",
            "shape_type": "polygon" if is_polygon else "mask",
            "flags": {},
            "mask": None if is_polygon else _png(part.mask),
        }


def label_of(name: str) -> str:
    """Return the path of the JSON of a picture, beside it."""
    return str(PurePosixPath("pictures", name).with_suffix(".json"))


def _filled(part: Part, covered: Bool[ndarray, "H W"]) -> Bool[ndarray, "h w"]:
    """Return a part's pixels with its holes, if other parts cover all of these."""
    if part.is_crumbs:
        return part.mask
    from scipy import ndimage

    filled = np.asarray(ndimage.binary_fill_holes(part.mask, np.ones((3, 3))), dtype=bool)
    width, height = part.size
    here = covered[part.top : part.top + height, part.left : part.left + width]
    return filled if here[filled].all() else part.mask


def _is_exact(corners: Int[ndarray, "N 2"], part: Part, filled: Bool[ndarray, "h w"]) -> bool:
    """Say whether LabelMe, which draws with Pillow, gives a polygon just these pixels."""
    if len(corners) < _CORNERS:
        return False
    picture = Image.new("L", part.size)
    points = [(float(x), float(y)) for x, y in corners - (part.left, part.top)]
    ImageDraw.Draw(picture).polygon(points, outline=1, fill=1)
    return bool((np.asarray(picture, dtype=bool) == filled).all())


def _png(mask: Bool[ndarray, "h w"]) -> str:
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode()
