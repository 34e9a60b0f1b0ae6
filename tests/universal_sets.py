"""Tiny copies of the fifteen sets that the universal tree serves, in their official folders."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from dataset_files import photograph, save, shipped
from harmonize.config.strict_yaml import Value

REPO = Path(__file__).parents[1]
SIDE = 32
CELL = 4
"""Pixels of the side of a class's square."""
CELLS = (SIDE // CELL) ** 2


@dataclass(frozen=True)
class TinySet:
    """Where a set's pictures and labels lie, and how its labels are written.

    Attributes:
        mapping: its file in ``datasets``, without extension.
        paths: by split, the paths of picture and label; ``{n}`` is the picture's number.
        lists: by split, the list that names the pictures, and its lines.
        override: keys of the mapping that so few pictures need.
    """

    mapping: str
    paths: dict[str, tuple[str, str]]
    lists: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    override: dict[str, Value] = field(default_factory=dict[str, Value])

    @property
    def splits(self) -> tuple[str, str]:
        """The split to train on and the one to score."""
        train, scored = self.paths
        return train, scored


def _both(picture: str, label: str, **names: str) -> dict[str, tuple[str, str]]:
    """Return the paths of the splits whose folders have these names."""
    return {
        split: (picture.replace("FOLDER", folder), label.replace("FOLDER", folder))
        for split, folder in names.items()
    }


_PLAIN = {"train": "train", "val": "val"}
_VOC_LISTS = {split: (f"ImageSets/Segmentation/{split}.txt", "2007_{n:06d}") for split in _PLAIN}
_CONTEXT_LISTS = {
    split: (f"ImageSets/SegmentationContext/{split}.txt", "2008_{n:06d}") for split in _PLAIN
}

SETS = (
    TinySet(
        "ade20k",
        _both(
            "images/FOLDER/ADE_{n:08d}.jpg",
            "annotations/FOLDER/ADE_{n:08d}.png",
            train="training",
            val="validation",
        ),
    ),
    TinySet(
        "bdd100k",
        _both("seg/images/FOLDER/a{n}-b.jpg", "seg/labels/FOLDER/a{n}-b_train_id.png", **_PLAIN),
    ),
    TinySet(
        "camvid", _both("FOLDER/0001TP_{n:06d}.png", "FOLDERannot/0001TP_{n:06d}.png", **_PLAIN)
    ),
    TinySet(
        "cityscapes",
        _both(
            "leftImg8bit/FOLDER/ulm/ulm_{n:06d}_000019_leftImg8bit.png",
            "gtFine/FOLDER/ulm/ulm_{n:06d}_000019_gtFine_labelIds.png",
            **_PLAIN,
        ),
    ),
    TinySet(
        "coco_panoptic",
        _both(
            "FOLDER/{n:012d}.jpg",
            "annotations/panoptic_FOLDER/{n:012d}.png",
            train="train2017",
            val="val2017",
        ),
    ),
    TinySet(
        "idd",
        _both(
            "leftImg8bit/FOLDER/201/frame{n:04d}_leftImg8bit.png",
            "gtFine/FOLDER/201/frame{n:04d}_gtFine_labelids.png",
            **_PLAIN,
        ),
    ),
    TinySet(
        "scannet",
        _both(
            "FOLDER/color/{n:06d}.jpg",
            "FOLDER/label/{n:06d}.png",
            train="scene0000_00",
            val="scene0011_01",
        ),
        {
            "train": ("train.txt", "scene0000_00 {n:06d}"),
            "val": ("val.txt", "scene0011_01 {n:06d}"),
        },
    ),
    TinySet(
        "sun_rgbd",
        {
            "train": (
                "SUNRGBD-train_images/img-{n:06d}.jpg",
                "sunrgbd_train_test_labels/img-{m:06d}.png",
            ),
            "test": (
                "SUNRGBD-test_images/img-{n:06d}.jpg",
                "sunrgbd_train_test_labels/img-{n:06d}.png",
            ),
        },
        {"train": ("train.txt", "{n} {m}"), "test": ("test.txt", "{n} {n}")},
    ),
    TinySet(
        "viper", _both("FOLDER/img/001/001_{n:05d}.jpg", "FOLDER/cls/001/001_{n:05d}.png", **_PLAIN)
    ),
    TinySet(
        "vistas_v1.2",
        _both(
            "FOLDER/images/q{n}.jpg",
            "FOLDER/v1.2/labels/q{n}.png",
            train="training",
            val="validation",
        ),
    ),
    TinySet(
        "wilddash2_rvc",
        _both(
            "images/FOLDER{n:04d}.jpg", "labels/FOLDER{n:04d}_labelIds.png", train="ar", val="zm"
        ),
        {"train": ("train.txt", "ar{n:04d}"), "val": ("val.txt", "zm{n:04d}")},
    ),
    TinySet(
        "voc",
        dict.fromkeys(
            _PLAIN, ("JPEGImages/2007_{n:06d}.jpg", "SegmentationClass/2007_{n:06d}.png")
        ),
        _VOC_LISTS,
    ),
    TinySet(
        "pascal_context",
        dict.fromkeys(
            _PLAIN, ("JPEGImages/2008_{n:06d}.jpg", "SegmentationClassContext/2008_{n:06d}.png")
        ),
        _CONTEXT_LISTS,
    ),
    TinySet(
        "kitti",
        dict.fromkeys(
            _PLAIN, ("training/image_2/{n:06d}_10.png", "training/semantic/{n:06d}_10.png")
        ),
        override={"splits.train.range": [0, 0], "splits.val.range": [100, 100]},
    ),
    TinySet(
        "coco_stuff",
        _both(
            "FOLDER/{n:012d}.jpg",
            "stuffthingmaps/FOLDER/{n:012d}.png",
            train="train2017",
            val="val2017",
        ),
    ),
)
"""Pictures of the second split have numbers from 100 on."""

SCANNET20 = dataclasses.replace(
    next(s for s in SETS if s.mapping == "scannet"), mapping="scannet20"
)
"""The same files with the classes of the benchmark alone."""


def write_sets(root: Path) -> dict[str, Value]:
    """Write all sets, each in its own folder; return the values of a config that mixes them."""
    entries: list[Value] = []
    roots: dict[str, Value] = {}
    for one in SETS:
        write_set(one, root / one.mapping)
        train, scored = one.splits
        entry: dict[str, Value] = {
            "spec": f"datasets/{one.mapping}.yaml",
            "train": train,
            "evaluate": scored,
        }
        entries.append({**entry, "override": one.override} if one.override else entry)
        roots[shipped(REPO, one.mapping).name] = str(root / one.mapping)
    return {
        "ontology": "trees/universal.txt",
        "datasets": entries,
        "data": {"size": SIDE, "batch_size": len(SETS), "workers": 0, "roots": roots},
    }


def write_set(one: TinySet, root: Path) -> None:
    """Write the pictures of both splits of a set, in which each of its classes has a square."""
    values = _values(one.mapping)
    writes = _WRITERS.get(one.mapping, save)
    for first, (split, (picture, label)) in zip((0, 100), one.paths.items(), strict=True):
        lines: list[str] = []
        for n in range(-(-len(values) // CELLS)):
            number = {"n": first + n, "m": 5050 + first + n}
            some = values[n * CELLS : (n + 1) * CELLS]
            pixels = _squares(some)
            save(root / picture.format(**number), _photograph(pixels, seed=first + n))
            path = root / label.format(**number)
            path.parent.mkdir(parents=True, exist_ok=True)
            writes(path, pixels)
            if split in one.lists:
                lines.append(one.lists[split][1].format(**number))
        if lines:
            path = root / one.lists[split][0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines))
    if one.mapping == "coco_panoptic":
        _write_panoptic_json(root, one)
    if one.mapping == "vistas_v1.2":
        names = shipped(REPO, one.mapping).classes
        text = json.dumps({"labels": [{"name": name, "readable": name} for name in names]})
        (root / "config_v1.2.json").write_text(text)


def _values(mapping: str) -> list[int]:
    """Return what stands for each class in the label files; a segment's number where it is one."""
    classes = shipped(REPO, mapping).classes
    if mapping in ("vistas_v1.2", "coco_panoptic"):
        return list(range(len(classes)))
    return [value for one in classes.values() for value in one.values if isinstance(value, int)]


def _squares(values: Sequence[int]) -> np.ndarray:
    """Fill a picture's squares with values, one after the other, again and again."""
    cells = np.resize(np.array(values), CELLS).reshape(SIDE // CELL, -1)
    return np.kron(cells, np.ones((CELL, CELL), dtype=np.int64))


def _photograph(pixels: np.ndarray, *, seed: int) -> np.ndarray:
    """Return a picture that shows the values, so that something can be learned of it."""
    colors = photograph(256, 1, seed=1)[:, 0]
    noise = photograph(*pixels.shape, seed=seed) // 8
    return (colors[pixels % 256] // 2 + noise).astype(np.uint8)


def _save_palette(path: Path, pixels: np.ndarray) -> None:
    indices = Image.fromarray(pixels.astype(np.uint8))
    indices.putpalette(photograph(16, 16).tobytes())
    indices.save(path)


def _save_segments(path: Path, pixels: np.ndarray) -> None:
    """Write the number of each segment, which is 1000 and its class; the last class has none."""
    last = len(shipped(REPO, "coco_panoptic").classes) - 1
    ids = np.where(pixels == last, 0, 1000 + pixels)
    save(path, np.stack([ids % 256, ids // 256, ids * 0], axis=2))


def _write_panoptic_json(root: Path, one: TinySet) -> None:
    *names, _ = shipped(REPO, one.mapping).classes
    categories = [{"id": 2 * n + 1, "name": name} for n, name in enumerate(names)]
    for _, label in one.paths.values():
        folder = (root / label).parent
        annotations = [
            {
                "file_name": path.name,
                "image_id": number,
                "segments_info": [
                    {"id": segment, "category_id": 2 * (segment - 1000) + 1}
                    for segment in _segments_of(path)
                ],
            }
            for number, path in enumerate(sorted(folder.iterdir()))
        ]
        images = [
            {"id": a["image_id"], "file_name": a["file_name"].replace("png", "jpg")}
            for a in annotations
        ]
        content = {"categories": categories, "annotations": annotations, "images": images}
        folder.with_suffix(".json").write_text(json.dumps(content))


def _segments_of(path: Path) -> list[int]:
    pixels = np.asarray(Image.open(path)).astype(int)
    return sorted({*(pixels[..., 0] + 256 * pixels[..., 1]).ravel().tolist()} - {0})


_WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "coco_panoptic": _save_segments,
    "vistas_v1.2": _save_palette,
    "voc": _save_palette,
}
