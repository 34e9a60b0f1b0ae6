"""One tiny data set in each format, all on the tiny tree."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import stored_sets
from annotated_sets import brush, coco, labelme, png_text, rle, runs_of
from raster_files import write
from test_supervisely import one as supervisely_object
from test_supervisely import png as supervisely_png
from test_supervisely import supervisely
from tiny import COLORS, TREE, draw_parts

PICTURES = {"train": 4, "val": 2}
NAMES = {1: "left", 2: "right"}
BANDS = ["red", "green", "blue", "nir"]
IDS = "{background: 0, left: 1, right: 2}"
NAMED = "{background: [], left: ~, right: ~}"
Parts = dict[str, np.ndarray]


def _pictures_of(write_one: Callable[[Path, str, np.ndarray], None]) -> Callable[..., None]:
    """Return what writes a label file for each picture."""

    def write_all(root: Path, parts: Parts) -> None:
        (root / "labels").mkdir()
        for name, own in parts.items():
            write_one(root / "labels", name, own)

    return write_all


def _ids(folder: Path, name: str, own: np.ndarray) -> None:
    Image.fromarray(own.astype(np.uint8)).save(folder / f"{name}.png")


def _colors(folder: Path, name: str, own: np.ndarray) -> None:
    Image.fromarray(COLORS[own]).save(folder / f"{name}.png")


def _labelme(folder: Path, name: str, own: np.ndarray) -> None:
    height, width = own.shape
    shapes = [
        {
            "label": title,
            "shape_type": "mask",
            "points": [[0, 0], [width - 1, height - 1]],
            "mask": png_text(own == number),
        }
        for number, title in NAMES.items()
    ]
    (folder / f"{name}.json").write_text(labelme(shapes, (width, height)))


def _supervisely(folder: Path, name: str, own: np.ndarray) -> None:
    objects = [
        supervisely_object(
            title, "bitmap", bitmap={"origin": [0, 0], "data": supervisely_png(own == number)}
        )
        for number, title in NAMES.items()
    ]
    (folder / f"{name}.png.json").write_text(supervisely(objects, own.shape[::-1]))


def _yolo(folder: Path, name: str, own: np.ndarray) -> None:
    lines: list[str] = []
    for number in NAMES:
        rows, columns = np.nonzero(own == number)
        top, bottom = rows.min() / own.shape[0], (rows.max() + 1) / own.shape[0]
        left, right = columns.min() / own.shape[1], (columns.max() + 1) / own.shape[1]
        lines.append(f"{number} {left} {top} {right} {top} {right} {bottom} {left} {bottom}\n")
    (folder / f"{name}.txt").write_text("".join(lines))


def _geotiff(folder: Path, name: str, own: np.ndarray) -> None:
    write(folder / f"{name}.tif", own.astype(np.uint8), tile=(16, 16))


def _coco(root: Path, parts: Parts) -> None:
    pictures = {
        f"{name}.png": [{"category_id": n, "segmentation": rle(own == n)} for n in NAMES]
        for name, own in parts.items()
    }
    size = next(iter(parts.values())).shape[::-1]
    (root / "labels.json").write_text(json.dumps(coco(pictures, size, NAMES)))


def _panoptic(root: Path, parts: Parts) -> None:
    (root / "labels").mkdir()
    annotations = []
    for name, own in parts.items():
        ids = np.array([0, 300, 70_000])[own]
        colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2)
        Image.fromarray(colors.astype(np.uint8)).save(root / "labels" / f"{name}.png")
        infos = [{"id": 300, "category_id": 1}, {"id": 70_000, "category_id": 2}]
        annotations.append({"file_name": f"{name}.png", "segments_info": infos})
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    written = {"annotations": annotations, "categories": categories}
    (root / "labels.json").write_text(json.dumps(written))


def _cvat(root: Path, parts: Parts) -> None:
    images: list[str] = []
    for name, own in parts.items():
        height, width = own.shape
        masks = "".join(
            f"<mask label='{title}' left='0' top='0' width='{width}' height='{height}' "
            f"rle='{', '.join(map(str, runs_of((own == number).T)))}'/>"
            for number, title in NAMES.items()
        )
        images.append(f"<image name='{name}.png' width='{width}' height='{height}'>{masks}</image>")
    (root / "labels.xml").write_text(f"<annotations>{''.join(images)}</annotations>")


def _label_studio(root: Path, parts: Parts) -> None:
    tasks = []
    for number, (name, own) in enumerate(parts.items()):
        results = [
            {
                "id": title,
                "original_width": own.shape[1],
                "original_height": own.shape[0],
                "value": {"rle": brush(own == n), "brushlabels": [title]},
            }
            for n, title in NAMES.items()
        ]
        data = {"image": f"/data/upload/1/{name}.png"}
        tasks.append({"id": number, "data": data, "annotations": [{"result": results}]})
    (root / "labels.json").write_text(json.dumps(tasks))


_BANDS = ", ".join(f"{{name: {name}, band: {n}}}" for n, name in enumerate(BANDS, 1))
FORMATS: dict[str, tuple[Callable[[Path, Parts], None], str, str]] = {
    "ids": (_pictures_of(_ids), 'label: "labels/{id}.png"\nencoding: ids', IDS),
    "rgb": (
        _pictures_of(_colors),
        'label: "labels/{id}.png"\nencoding: rgb',
        '{background: "#285a28", left: "#c83c3c", right: "#3c3cc8"}',
    ),
    "coco": (_coco, "label: labels.json\nencoding: coco", NAMED),
    "coco_panoptic": (
        _panoptic,
        'label: "labels/{id}.png"\nannotations: labels.json\nencoding: coco_panoptic',
        NAMED,
    ),
    "labelme": (_pictures_of(_labelme), 'label: "labels/{id}.json"\nencoding: labelme', NAMED),
    "cvat": (_cvat, "label: labels.xml\nencoding: cvat", NAMED),
    "label_studio": (_label_studio, "label: labels.json\nencoding: label_studio", NAMED),
    "yolo": (
        _pictures_of(_yolo),
        'label: "labels/{id}.txt"\nencoding: yolo',
        "{background: ~, left: 1, right: 2}",
    ),
    "supervisely": (
        _pictures_of(_supervisely),
        'label: "labels/{id}.png.json"\nencoding: supervisely',
        NAMED,
    ),
    "geotiff": (
        _pictures_of(_geotiff),
        f'label: "labels/{{id}}.tif"\nencoding: ids\nchannels: [{_BANDS}]',
        IDS,
    ),
}
"""By name: what writes the labels, what the mapping says of them, and its classes."""


def write_every_format(folder: Path) -> dict[str, Parts]:
    """Write the tree, and the mapping and files of each set; return the parts of each picture."""
    (folder / "tiny.txt").write_text(TREE)
    rng, found = np.random.default_rng(0), {}
    for name, (write_labels, label, classes) in FORMATS.items():
        root = folder / name
        (root / "img").mkdir(parents=True)
        parts = {
            f"{split}{n}": draw_parts(rng) for split, many in PICTURES.items() for n in range(many)
        }
        ending = "tif" if name == "geotiff" else "png"
        for picture, own in parts.items():
            pixels = COLORS[own] // 2 + rng.integers(0, 99, (*own.shape, 3), dtype=np.uint8)
            if name == "geotiff":
                bands = np.concatenate([pixels, pixels[..., :1] // 2], axis=2)
                write(root / "img" / f"{picture}.tif", np.moveaxis(bands, -1, 0), tile=(16, 16))
            else:
                Image.fromarray(pixels).save(root / "img" / f"{picture}.png")
        write_labels(root, parts)
        splits = ", ".join(f"{split}: {{list: {folder}/{split}.txt}}" for split in PICTURES)
        text = (
            f'name: {name}\nroot: {root}\npicture: "img/{{id}}.{ending}"\n{label}\n'
            f"splits: {{{splits}}}\nclasses: {classes}\n"
            "meaning: {tiny: {background: background, left: left, right: right}}\n"
        )
        (folder / f"{name}.yaml").write_text(text)
        found[name] = parts
    for split, many in PICTURES.items():
        (folder / f"{split}.txt").write_text("".join(f"{split}{n}\n" for n in range(many)))
    stored_sets.write_set(folder / "plain")
    stored_sets.pack(folder / "plain", folder / "packed.zip")
    stored_sets.write_parquet(folder / "plain", folder / "hf")
    stored_sets.write_mapping(folder / "zip.yaml", f"{folder}/packed.zip")
    stored_sets.write_mapping(folder / "parquet.yaml", f"{folder}/hf/**/*.parquet", parquet=True)
    shutil.rmtree(folder / "plain")
    return found
