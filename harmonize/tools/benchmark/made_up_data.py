"""Made-up data sets: small files with everything that a mapping can say about one tree."""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import Document, Value, dump
from harmonize.labels.ontology import Ontology
from harmonize.tools.benchmark.made_up import blobs

TREE = "trees/faces.txt"
Format = Literal["jpg", "png"]
_VOID = 255


def write_datasets(
    folder: Path, number: int, *, pictures: int, size: tuple[int, int], file_format: Format
) -> list[Path]:
    """Write data sets that label different parts of the tree, and return their mappings.

    They take turns in how fine their classes are (leaves, groups, unions of groups) and in how
    they encode them (ids, colours).

    Args:
        folder: where to write.
        number: of data sets.
        pictures: in each data set.
        size: width and height of the pictures and labels, in pixels.
        file_format: of the pictures; labels are PNG.
    """
    tree = Ontology.from_file(find_file(TREE))
    mappings: list[Path] = []
    for index in range(number):
        rng = np.random.default_rng(index)
        root = folder / f"set_{index}"
        root.mkdir(parents=True)
        classes = _classes(tree, index)
        colours = rng.permutation(1 << 24)[: len(classes)] if index % 2 else None
        for picture in range(pictures):
            _picture(rng, size).save(root / f"{picture:05d}.{file_format}", quality=90)
            drawn = blobs(rng, np.arange(len(classes)), size[::-1])
            label = _label(drawn, len(classes) - 1, colours)
            Image.fromarray(label).save(root / f"{picture:05d}_label.png")
        mapping = folder / f"set_{index}.yaml"
        mapping.write_text(dump(_mapping(root, pictures, file_format, classes, tree.name, colours)))
        mappings.append(mapping)
    return mappings


def made_up_config(mappings: list[Path], overrides: list[str]) -> RunConfig:
    """Return the config of a run on made-up data sets, with some overrides.

    Raises:
        HarmonizeError: an override that does not fit.
    """
    values: dict[str, Value] = {
        "ontology": TREE,
        "datasets": [{"spec": str(mapping), "train": "train"} for mapping in mappings],
        "augment": {"flip": 0.5, "scale": [0.5, 1.0], "color": 0.2},
        "model": {"name": "unet", "width": 16},
    }
    return RunConfig.from_document(Document("made-up data", values), overrides)


def _classes(tree: Ontology, index: int) -> dict[str, tuple[str, ...]]:
    """Return the leaves of each class of a data set; none for its void class."""
    groups = tree.groups(max(tree.depth - index % 3, 1))
    if index % 3 == 2:
        groups = [first + second for first, second in zip(groups[::2], groups[1::2], strict=False)]
    return {f"class_{n}": leaves for n, leaves in enumerate(groups)} | {"void": ()}


def _mapping(
    root: Path,
    pictures: int,
    file_format: Format,
    classes: dict[str, tuple[str, ...]],
    tree: str,
    colours: Integer[ndarray, " C"] | None,
) -> dict[str, Value]:
    values: list[int | str] = [*range(len(classes) - 1), _VOID]
    if colours is not None:
        values = [f"#{colour:06x}" for colour in colours]
    meaning: dict[str, Value] = {name: list(leaves) or "ignore" for name, leaves in classes.items()}
    return {
        "name": root.name,
        "root": str(root),
        "picture": f"{{id:05d}}.{file_format}",
        "label": "{id:05d}_label.png",
        "encoding": "ids" if colours is None else "rgb",
        "splits": {"train": {"range": [0, pictures - 1]}},
        "classes": dict(zip(classes, values, strict=True)),
        "meaning": {tree: meaning},
    }


def _label(
    classes: Integer[ndarray, "H W"], void: int, colours: Integer[ndarray, " C"] | None
) -> UInt8[ndarray, "H W"] | UInt8[ndarray, "H W 3"]:
    """Encode class numbers, one of which is void, as ids or as colours."""
    if colours is None:
        return np.where(classes == void, _VOID, classes).astype(np.uint8)
    packed = colours[classes]
    return np.stack([packed >> 16, packed >> 8, packed], -1).astype(np.uint8)


def _picture(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw smooth colours with a little noise, which compress about as photographs do."""
    width, height = size
    shape = max(height // 32, 1), max(width // 32, 1), 3
    small = rng.integers(0, 256, size=shape, dtype=np.uint8)
    smooth = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(smooth).astype(np.int16)
    pixels += rng.integers(-6, 7, size=(height, width, 3), dtype=np.int8)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
