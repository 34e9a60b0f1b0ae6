"""Write two small synthetic face data sets in the layouts of Helen and LFW Parts."""

import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian

from harmonize.demo.faces import FacePart, Floats, Parts, Rng, draw_parts, sample_face, shrink
from harmonize.demo.paint import paint
from harmonize.system.atomic_files import writing
from harmonize.system.progress import follow

NUM_PICTURES = {"train": 120, "validation": 24, "test": 12}
HELEN_LISTS = {"train": "exemplars.txt", "validation": "tuning.txt", "test": "testing.txt"}
PICTURES_PER_PERSON = 3
FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo")
LAST_NAMES = ("Example", "Sample", "Demo", "Sketch", "Cartoon", "Doodle", "Figure")

# Entry i is the class of FacePart i; the first eleven parts are Helen's classes in Helen's order.
HELEN_CLASSES = np.array([*range(11), FacePart.SKIN, 0, 0, 0, 0])
LFW_COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], dtype=np.uint8)
LFW_CLASSES = np.array([2] + 9 * [1] + [0, 0, 1, 1, 2, 2])  # hair, skin, background


def write_demo_data(folder: Path, *, seed: int = 0, progress: bool = True) -> None:
    """Write `folder/helen` and `folder/lfw_parts`, leaving alone whichever already exists.

    Each set appears whole or not at all: it is written beside its place and renamed at the end.
    """
    writers: dict[str, Callable[[Path, str, int, Rng], None]] = {
        "helen": _write_helen,
        "lfw_parts": _write_lfw,
    }
    splits = [split for split, amount in NUM_PICTURES.items() for _ in range(amount)]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for set_index, (name, write) in enumerate(writers.items()):
        if (folder / name).is_dir():
            continue
        with tempfile.TemporaryDirectory(prefix=".demo-", dir=folder) as scratch:
            root = Path(scratch) / name
            root.mkdir()
            title, total = f"drawing {name}", len(splits)
            drawn = follow(splits, total, title, "pictures", shown=progress)
            for index, split in enumerate(drawn):
                write(root, split, index, np.random.default_rng([seed, set_index, index]))
            try:
                root.rename(folder / name)
            except OSError:
                if not (folder / name).is_dir():  # else another process was quicker
                    raise


def _write_helen(root: Path, split: str, index: int, rng: Rng) -> None:
    """Append one picture, its eleven soft masks and its line in the split's list."""
    height, width = (int(side) for side in rng.integers(128, 161, size=2))
    face = sample_face(rng, height, width)
    parts = draw_parts(face, height, width)
    masks = _soft_masks(HELEN_CLASSES[parts], 11)
    masks = gaussian(masks, sigma=0.6, channel_axis=-1)

    identifier = f"demo_{index + 1:04d}"
    labels = root / "labels" / identifier
    labels.mkdir(parents=True)
    for number in range(11):
        mask = np.rint(masks[..., number] * 255).astype(np.uint8)
        Image.fromarray(mask).save(labels / f"{identifier}_lbl{number:02d}.png")
    _save_jpeg(root / "images" / f"{identifier}.jpg", paint(face, parts, rng), rng)
    with (root / HELEN_LISTS[split]).open("a") as lines:
        lines.write(f"{index + 1} , {identifier}\n")


def _write_lfw(root: Path, split: str, index: int, rng: Rng) -> None:
    """Append one picture, its three-colour label and its line in the split's list."""
    face = sample_face(rng, 128, 128)
    parts = draw_parts(face, 128, 128)
    label = _soft_masks(LFW_CLASSES[parts], 3).argmax(axis=-1)

    person, number = divmod(index, PICTURES_PER_PERSON)
    name = "_".join(list(product(FIRST_NAMES, LAST_NAMES))[person])
    stem = f"{name}_{number + 1:04d}"
    labels = root / "parts_lfw_funneled_gt_images"
    labels.mkdir(exist_ok=True)
    Image.fromarray(LFW_COLOURS[label]).save(labels / f"{stem}.ppm")
    _save_jpeg(root / "lfw_funneled" / name / f"{stem}.jpg", paint(face, parts, rng), rng)
    with (root / f"parts_{split}.txt").open("a") as lines:
        lines.write(f"{name} {number + 1}\n")


def _save_jpeg(path: Path, picture: Parts, rng: Rng) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=int(rng.integers(65, 95)))


def _soft_masks(classes: NDArray[np.integer], num_classes: int) -> Floats:
    """Return the share of each class in each final pixel, H x W x num_classes."""
    return shrink(np.eye(num_classes, dtype=np.float32)[classes])
