"""Annotations as Label Studio's tasks: a brush mask for each part."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from harmonize.errors import HarmonizeError
from harmonize.inference.annotations.annotated_classes import AnnotatedClasses
from harmonize.inference.annotations.parts import Part
from harmonize.labels.brush_rle import MOST_PIXELS, encode_brush

FILE, CONFIG = "tasks.json", "label_config.xml"


class LabelStudioWriter:
    """One JSON for all pictures, and the labelling interface. Nothing overlaps."""

    encoding = "label_studio"
    options = {}  # noqa: RUF012
    label = FILE
    files = (FILE, CONFIG)
    endings = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
    """Of pictures that browsers show, by which tasks are found."""

    def __init__(self, classes: AnnotatedClasses) -> None:
        """Begin a file."""
        self._classes = classes
        self._tasks: list[str] = []

    def add(self, name: str, size: tuple[int, int], parts: Sequence[Part]) -> dict[str, bytes]:
        """Add a picture of a width and height."""
        if size[0] * size[1] > MOST_PIXELS:
            raise HarmonizeError(f"{name}: has more pixels than Label Studio's masks can; cut it")
        number = len(self._tasks) + 1
        results = [
            self._result(part, size, f"{number}-{place}") for place, part in enumerate(parts, 1)
        ]
        address = f"/data/local-files/?d={quote(f'pictures/{name}')}"
        task = {"id": number, "data": {"image": address}, "annotations": [{"result": results}]}
        self._tasks.append(json.dumps(task, separators=(",", ":")))
        return {}

    def finish(self) -> dict[str, bytes]:
        """Return the files of all pictures together."""
        labels = [
            f"    <Label value={quoteattr(one.name)} background={quoteattr(one.hex)}/>"
            for _, one in self._classes.drawn
        ]
        config = [
            "<View>",
            '  <Image name="image" value="$image" zoom="true"/>',
            '  <BrushLabels name="label" toName="image">',
            *labels,
            "  </BrushLabels>",
            "</View>",
            "",
        ]
        tasks = "[\n" + ",\n".join(self._tasks) + "\n]\n"
        return {FILE: tasks.encode(), CONFIG: "\n".join(config).encode()}

    def _result(self, part: Part, size: tuple[int, int], name: str) -> dict[str, Any]:
        return {
            "id": name,
            "type": "brushlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": size[0],
            "original_height": size[1],
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": encode_brush(part.whole(*size)),
                "brushlabels": [self._classes.classes[part.number].name],
            },
        }
