"""Folders of pictures and labels to draft mappings of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import DatasetSpec
from harmonize.data.dataset import SegmentationDataset
from harmonize.tools.draft.new_mapping import new_mapping

HEIGHT, WIDTH = 24, 40

SCENE = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Road": (128, 64, 128),
    "Tree": (128, 128, 0),
    "Void": (0, 0, 0),
}


def save(path: Path, pixels: np.ndarray, *, palette: bool = False, mode: type = np.uint8) -> None:
    """Write a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(mode))
    if palette:
        picture.putpalette(np.random.default_rng(0).permutation(768).astype(np.uint8).tobytes())
    picture.save(path)


def photo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(height, width, 3))


def label(values: Sequence[int]) -> np.ndarray:
    """Return a label whose columns hold the values in bands of about equal width."""
    places = np.arange(WIDTH) * len(values) // WIDTH
    return np.broadcast_to(np.array(values)[places], (HEIGHT, WIDTH))


def draft(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> DatasetSpec:
    """Draft a mapping in another folder and load it."""
    output = folder.parent / f"{folder.name}.yaml"
    monkeypatch.chdir(folder.parent)
    new_mapping(folder, output=output, **options)  # type: ignore[arg-type]
    return DatasetSpec.from_file(output)


def counts(spec: DatasetSpec, folder: Path) -> dict[str, int]:
    """Read every picture of every split; return how many there are."""
    opened = {name: SegmentationDataset(spec, name, root=folder) for name in spec.splits}
    for dataset in opened.values():
        for number in range(len(dataset)):
            assert dataset[number].classes.min() >= 0
    return {name: len(dataset) for name, dataset in opened.items()}


def cityscapes(root: Path) -> None:
    for split, cities in {"train": ["aachen", "bochum"], "val": ["frankfurt"]}.items():
        for city in cities:
            for number in range(3):
                name = f"{city}_{number:06d}_000019"
                ids = label([7, 8, 11, 26])
                folder = root / "gtFine" / split / city
                save(root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", photo())
                save(folder / f"{name}_gtFine_labelIds.png", ids)
                save(folder / f"{name}_gtFine_instanceIds.png", ids * 1000, mode=np.uint16)
                opaque = np.full_like(ids, 255)
                save(folder / f"{name}_gtFine_color.png", np.dstack([ids, ids * 3, ids, opaque]))


def celeba(root: Path) -> None:
    for number in (*range(4), 2000, 2001, 4001):
        save(root / "CelebA-HQ-img" / f"{number}.jpg", photo(2 * HEIGHT, 2 * WIDTH))
        folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        for place, part in enumerate(("skin", "l_eye", "r_eye", "hair", "hat")):
            if part != "hat" or number % 2:
                mask = label([0] * (5 - place) + [255] * (place + 1))
                save(folder / f"{number:05d}_{part}.png", np.dstack([mask] * 3))


def write_scene(root: Path, *, number: int = 6) -> None:
    """Write pictures with colour labels whose names nothing tells."""
    colors = np.array(list(SCENE.values()))
    for place in range(number):
        save(root / "images" / f"frame{place}a.png", photo())
        save(root / "labels" / f"frame{place}a.png", colors[label(range(len(SCENE)))])
