"""Small annotation files of several tools, written by hand."""

import base64
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harmonize.config.strict_yaml import load_text
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec

MAPPING = """
name: things
picture: img/{id}.png
label: 'LABEL'
encoding: ENCODING
splits: {all: {glob: "img/{id}.png"}}
classes: {ground: [], can: ~, lid: [lid, "cap"]}
meaning: {things: {ground: ground, can: can, lid: lid}}
"""
"""Of pictures in ``img`` with cans and lids on the ground."""


def open_set(root: Path, encoding: str, label: str, *more: str) -> SegmentationDataset:
    """Return the data set of pictures below ``img``; ``more`` are lines of the mapping."""
    text = MAPPING.replace("LABEL", label).replace("ENCODING", "\n".join([encoding, *more]))
    return SegmentationDataset(
        DatasetSpec.from_document(load_text(text, "things.yaml")), "all", root=root
    )


def write_pictures(
    root: Path, names: Sequence[str], size: tuple[int, int] = (10, 8), *, shade: int = 0
) -> None:
    """Write pictures of a width and a height below ``img``, each of another grey."""
    (root / "img").mkdir(parents=True, exist_ok=True)
    for name in names:
        grey = (shade + zlib.crc32(name.encode())) % 251
        Image.new("RGB", size, (grey, grey, grey)).save(root / "img" / f"{name}.png")


def runs_of(mask: np.ndarray) -> list[int]:
    """Return the runs of a mask column by column, pixel by pixel."""
    runs, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if bool(pixel) != value:
            runs.append(0)
            value = bool(pixel)
        runs[-1] += 1
    return runs


def runs_as_text(runs: Sequence[int]) -> str:
    """Write runs as COCO's tools do: 5 bits a character, less the run before the last."""
    text = ""
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text += chr(bits + (32 if more else 0) + 48)
    return text


def coco(
    pictures: Mapping[str, Sequence[Mapping[str, Any]]],
    size: tuple[int, int] = (10, 8),
    categories: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Return COCO's JSON of annotations by picture, each with its category and segmentation."""
    categories = {1: "can", 2: "lid", 7: "cap"} if categories is None else categories
    annotations: list[dict[str, Any]] = []
    for image, listed in enumerate(pictures.values()):
        for one in listed:
            number = 100 + len(annotations)
            annotations.append({"id": number, "image_id": image, "iscrowd": 0, **one})
    return {
        "images": [
            {"id": number, "file_name": name, "width": size[0], "height": size[1]}
            for number, name in enumerate(pictures)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
    }


def box_mask(rows: slice, columns: slice, size: tuple[int, int] = (10, 8)) -> np.ndarray:
    """Return a mask of a box."""
    mask = np.zeros(size[::-1], dtype=bool)
    mask[rows, columns] = True
    return mask


def rle(mask: np.ndarray, *, as_text: bool = False) -> dict[str, Any]:
    """Return a mask as COCO's RLE."""
    runs = runs_of(mask)
    return {"size": [*mask.shape], "counts": runs_as_text(runs) if as_text else runs}


def labelme(shapes: Sequence[Mapping[str, Any]], size: tuple[int, int] = (10, 8)) -> str:
    """Return LabelMe's JSON of some shapes."""
    return json.dumps(
        {
            "version": "5.5.0",
            "flags": {},
            "shapes": [{"group_id": None, "flags": {}, **shape} for shape in shapes],
            "imagePath": "a.png",
            "imageData": None,
            "imageHeight": size[1],
            "imageWidth": size[0],
        }
    )


def png_text(mask: np.ndarray) -> str:
    """Return a mask as PNG in Base64."""
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode()


def brush(mask: np.ndarray) -> list[int]:
    """Return a mask as Label Studio's brush writes it: red, green, blue, alpha in runs of bits."""
    values = (mask.ravel().repeat(4) * 255).tolist()
    bits = f"{len(values):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    place = 0
    while place < len(values):
        end = place
        while end < len(values) and values[end] == values[place]:
            end += 1
        if end - place > 4:
            bits += f"1{3:02b}{end - place - 1:016b}{values[place]:08b}"
        else:
            bits += f"0{0:02b}{end - place - 1:03b}"
            bits += "".join(f"{value:08b}" for value in values[place:end])
        place = end
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]
