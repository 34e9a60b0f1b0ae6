"""The forms in which an answer is sent: a picture of ids, COCO's runs, polygons, probabilities."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import AnswerSpace
from harmonize.inference.drawing import draw_answer
from harmonize.labels.rle import write_runs
from harmonize.serving.refusals import Refusal
from harmonize.serving.region_polygons import outlines

# Letters of shapes: H x W pixels, C possible answers.

MOST_NUMBERS = 1 << 25
"""Of probabilities, two bytes each: the possible answers times the pixels."""


@dataclass(frozen=True)
class Form:
    """A form of answers.

    Attributes:
        kind: its Content-Type.
        write: makes its bytes of an answer, or of the probabilities of all possible ones.
        sure: whether it is made of these.
    """

    kind: str
    write: Callable[[Any, AnswerSpace], bytes]
    sure: bool = False

    def check(self, size: tuple[int, int], space: AnswerSpace) -> None:
        """Make sure that a picture of a height and width can be answered so.

        Raises:
            Refusal: there would be too many numbers.
        """
        numbers = size[0] * size[1] * space.num
        if self.sure and numbers > MOST_NUMBERS:
            raise Refusal(
                422,
                f"format=probabilities: {size[1]} x {size[0]} pixels times {space.num} possible "
                f"answers are more than {MOST_NUMBERS} numbers; send a smaller picture, or ask for "
                "fewer answers, such as depth=1",
            )


def as_png(answer: Integer[ndarray, "H W"], space: AnswerSpace) -> bytes:
    """Return the picture that ``harmonize predict`` writes."""
    data = io.BytesIO()
    draw_answer(answer, space).save(data, format="PNG")
    return data.getvalue()


def as_coco(answer: Integer[ndarray, "H W"], space: AnswerSpace) -> bytes:
    """Return a document of COCO: all pixels of a class are one annotation, as compressed RLE."""
    height, width = answer.shape
    annotations: list[dict[str, Any]] = []
    for number in np.flatnonzero(np.bincount(answer.ravel())).tolist():
        mask = answer == number
        one = {"id": len(annotations) + 1, "image_id": 1, "iscrowd": 1}
        one |= {"category_id": space.labels[number].value, "segmentation": write_runs(mask)}
        annotations.append(one | {"area": int(mask.sum()), "bbox": _box(mask)})
    image = {"id": 1, "width": width, "height": height, "file_name": "picture"}
    document = {
        "info": {"description": space.title},
        "images": [image],
        "categories": categories(space),
        "annotations": annotations,
    }
    return _json(document)


def as_polygons(answer: Integer[ndarray, "H W"], space: AnswerSpace) -> bytes:
    """Return GeoJSON of the regions, in pixels from the left and the top of the picture.

    Raises:
        Refusal: there are too many.
    """
    try:
        regions = outlines(answer)
    except HarmonizeError as error:
        raise Refusal(422, f"format=polygons: {error}; say format=coco or format=png") from None
    features = [
        {
            "type": "Feature",
            "properties": {
                "id": space.labels[one.number].value,
                "name": space.labels[one.number].name,
                "color": _hex(space, one.number),
                "area": one.area,
            },
            "geometry": {"type": "Polygon", "coordinates": one.rings},
        }
        for one in regions
    ]
    height, width = answer.shape
    kind = "FeatureCollection"
    return _json({"type": kind, "width": width, "height": height, "features": features})


def as_probabilities(sure: Float[ndarray, "C H W"], space: AnswerSpace) -> bytes:
    """Return NumPy's .npz: the probabilities, and the key of each in the legend."""
    given = space.masks.any(axis=1)
    keys = [space.encoding.write(label.value) for label in space.labels]
    names = [label.name for label in space.labels]
    data = io.BytesIO()
    np.savez(
        data,
        probabilities=sure if given.all() else sure[given],
        keys=np.array(keys, dtype=str)[given],
        names=np.array(names, dtype=str)[given],
    )
    return data.getvalue()


FORMS = {
    "png": Form("image/png", as_png),
    "coco": Form("application/json", as_coco),
    "polygons": Form("application/geo+json", as_polygons),
    "probabilities": Form("application/zip", as_probabilities, sure=True),
}
"""By the name that a query gives."""


def categories(space: AnswerSpace) -> list[dict[str, Any]]:
    """Return the possible answers as COCO's categories."""
    return [
        {"id": label.value, "name": label.name, "color": list(label.color[:3])}
        for label, mask in zip(space.labels, space.masks, strict=True)
        if mask.any()
    ]


def _hex(space: AnswerSpace, number: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*space.labels[number].color)


def _box(mask: ndarray) -> list[int]:
    """Return the left, top, width and height of some pixels."""
    rows, columns = (np.flatnonzero(np.any(mask, axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        errors="backslashreplace"
    )
