"""Annotations as COCO's JSON: polygons along the edges of pixels, runs for what has holes."""

import json
from collections.abc import Sequence
from typing import Any

from harmonize.inference.annotations.annotated_classes import AnnotatedClasses
from harmonize.inference.annotations.parts import Part
from harmonize.labels.rle import write_runs

FILE = "annotations.json"


class CocoWriter:
    """One JSON for all pictures. Two annotations never overlap."""

    encoding = "coco"
    options = {"order": "file"}  # noqa: RUF012  what people draw later lies on top
    label = FILE
    files = (FILE,)
    endings: Sequence[str] = ()

    def __init__(self, classes: AnnotatedClasses) -> None:
        """Begin a file."""
        self._classes = classes
        self._images: list[str] = []
        self._annotations: list[str] = []

    def add(self, name: str, size: tuple[int, int], parts: Sequence[Part]) -> dict[str, bytes]:
        """Add a picture of a width and height."""
        image = len(self._images) + 1
        about = {"id": image, "file_name": name, "width": size[0], "height": size[1]}
        self._images.append(json.dumps(about))
        for part in parts:
            number = len(self._annotations) + 1
            self._annotations.append(json.dumps(_annotation(part, size, number, image)))
        return {}

    def finish(self) -> dict[str, bytes]:
        """Return the files of all pictures together."""
        info = {"description": "answers of a network, by harmonize predict"}
        categories = [
            json.dumps({"id": number + 1, "name": one.name, "supercategory": ""})
            for number, one in self._classes.drawn
        ]
        lists = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": categories,
        }
        text = ",\n".join(
            f'"{key}": [\n' + ",\n".join(items) + "\n]" for key, items in lists.items()
        )
        return {FILE: f'{{"info": {json.dumps(info)},\n{text}}}\n'.encode()}


def _annotation(part: Part, size: tuple[int, int], number: int, image: int) -> dict[str, Any]:
    corners = part.edges()
    segmentation: Any = (
        write_runs(part.whole(*size)) if corners is None else [corners.ravel().tolist()]
    )
    return {
        "id": number,
        "image_id": image,
        "category_id": part.number + 1,
        "iscrowd": int(corners is None),  # by which tools know runs
        "area": int(part.mask.sum()),
        "bbox": [part.left, part.top, *part.size],
        "segmentation": segmentation,
    }
