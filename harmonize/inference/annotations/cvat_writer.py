"""Annotations as CVAT's XML for images: polygons along the edges of pixels, masks for holes."""

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from harmonize.inference.annotations.annotated_classes import AnnotatedClasses
from harmonize.inference.annotations.parts import Part
from harmonize.labels.rle import runs_in

FILE, LABELS = "annotations.xml", "labels.json"


class CvatWriter:
    """One XML for all pictures, and the labels for the task's constructor. Nothing overlaps."""

    encoding = "cvat"
    options = {}  # noqa: RUF012
    label = FILE
    files = (FILE, LABELS)
    endings: Sequence[str] = ()

    def __init__(self, classes: AnnotatedClasses) -> None:
        """Begin a file."""
        self._classes = classes
        self._images: list[str] = []

    def add(self, name: str, size: tuple[int, int], parts: Sequence[Part]) -> dict[str, bytes]:
        """Add a picture of a width and height."""
        head = f'<image id="{len(self._images)}" name={quoteattr(name)} width="{size[0]}" '
        shapes = [self._shape(part) for part in parts]
        self._images.append("\n".join([f'{head}height="{size[1]}">', *shapes, "</image>"]))
        return {}

    def finish(self) -> dict[str, bytes]:
        """Return the files of all pictures together."""
        labels = [
            {"name": one.name, "color": one.hex, "attributes": []} for _, one in self._classes.drawn
        ]
        head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>'
        text = "\n".join([head, self._meta(), *self._images, "</annotations>\n"])
        return {FILE: text.encode(), LABELS: (json.dumps(labels, indent=1) + "\n").encode()}

    def _meta(self) -> str:
        """Return the labels as CVAT's own files have them at their head."""
        labels = "".join(
            f"<label><name>{escape(one.name)}</name><color>{one.hex}</color><attributes/></label>"
            for _, one in self._classes.drawn
        )
        size = f"<size>{len(self._images)}</size><mode>annotation</mode>"
        return f"<meta><task>{size}<labels>{labels}</labels></task></meta>"

    def _shape(self, part: Part) -> str:
        label = quoteattr(self._classes.classes[part.number].name)
        rest = f'label={label} source="auto" occluded="0" z_order="0"'
        corners = part.edges()
        if corners is not None:
            points = ";".join(f"{x}.00,{y}.00" for x, y in corners.tolist())
            return f'<polygon {rest} points="{points}"/>'
        runs = ", ".join(map(str, runs_in(part.mask.ravel()).tolist()))
        width, height = part.size
        box = f'left="{part.left}" top="{part.top}" width="{width}" height="{height}"'
        return f'<mask {rest} rle="{runs}" {box}/>'
