"""Small TIFF pictures of several bands, their labels, and a set made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document
from tiny import TREE, tiny_values

MAPPING = """
name: scenes
picture: "{id}.tif"
label: "{id}_ids.tif"
encoding: ids
splits: {train: {glob: "{id}_ids.tif"}, val: {glob: "{id}_ids.tif"}}
channels:
  - {name: nir, band: 4, range: [0, 2000]}
  - {name: red, band: 1, range: [0, 2000]}
  - {name: height, band: 5, range: [-100, 2000]}
classes: {background: 0, left: 1, right: 2, none: -9999}
meaning: {tiny: {background: background, left: left, right: right, none: ignore}}
"""


def bands(height: int = 50, width: int = 70, number: int = 5, kind: str = "uint16") -> np.ndarray:
    """Return numbers of several bands, band by band (C, H, W)."""
    rng = np.random.default_rng(height + width)
    return rng.integers(0, 2000, (number, height, width)).astype(kind)


def labels(height: int = 50, width: int = 70) -> np.ndarray:
    """Return ids with some that are no data."""
    ids = (np.arange(width) * 3 // width)[None].repeat(height, 0).astype(np.int16)
    ids[: height // 5] = -9999
    return ids


def write(path: Path, values: np.ndarray, no_data: Any = None, **how: Any) -> None:
    """Write bands (C, H, W), or one (H, W), as a TIFF file."""
    if values.ndim == 3 and how.get("planarconfig") != "separate":
        values = np.moveaxis(values, 0, -1)
    tags = [] if no_data is None else [(42113, "s", 0, str(no_data), True)]
    options = {"photometric": "minisblack", "metadata": None, "extratags": tags, **how}
    if values.ndim == 3:
        options.setdefault("planarconfig", "contig")
    tifffile.imwrite(path, values, **options)


def write_scenes(folder: Path, number: int = 3, **how: Any) -> Path:
    """Write the tree, the mapping and the pictures below a folder."""
    (folder / "tiny.txt").write_text(TREE)
    (folder / "scenes.yaml").write_text(f"root: {folder}/scenes\n{MAPPING}")
    (folder / "scenes").mkdir()
    for place in range(number):
        height, width = 50 + 8 * place, 70 - 3 * place
        picture = bands(height, width)
        picture[0] = labels(height, width) * 900 + 50
        write(folder / f"scenes/s{place}.tif", picture, **{"tile": (16, 32)} | how)
        ids = labels(height, width)
        write(folder / f"scenes/s{place}_ids.tif", ids, no_data=-9999, tile=(16, 16))
    return folder


def scenes_config(folder: Path, output: Path, *overrides: str) -> RunConfig:
    """Return a config that trains on the scenes for a few steps."""
    values = tiny_values(folder, output)
    spec = str(folder / "scenes.yaml")
    values["datasets"] = [{"spec": spec, "train": "train", "evaluate": "val"}]
    values["model"] = {"name": "unet", "width": 8, "channels": ["red", "nir", "height"]}
    return RunConfig.from_document(Document("scenes", values), overrides)
