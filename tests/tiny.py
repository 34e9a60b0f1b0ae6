"""Two tiny data sets on a tiny tree, and a config that mixes them."""

from pathlib import Path

import numpy as np
from PIL import Image

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value

TREE = "background\nthing\n\tleft\n\tright\n@mirror left right\n"
COLORS = np.array([(40, 90, 40), (200, 60, 60), (60, 60, 200)], dtype=np.uint8)

FINE = """
name: fine
picture: "{id:02d}.png"
label: "{id:02d}_ids.png"
encoding: ids
splits: {train: {range: [0, 9]}, val: {range: [10, 14]}}
classes: {background: 0, left: 1, right: 2, void: 255}
meaning: {tiny: {background: background, left: left, right: right, void: ignore}}
"""

COARSE = """
name: coarse
picture: "{id}.png"
label: masks/{id}.png
encoding: rgb
splits: {train: {list: train.txt}, val: {list: val.txt}}
classes: {background: "#000000", thing: "#ffffff"}
meaning: {tiny: {background: background, thing: thing}}
"""


def write_project(folder: Path) -> Path:
    """Write the tree, both mappings and both data sets below a folder."""
    rng = np.random.default_rng(0)
    (folder / "tiny.txt").write_text(TREE)
    (folder / "fine.yaml").write_text(f"root: {folder}/fine_data\n{FINE}")
    (folder / "coarse.yaml").write_text(f"root: {folder}/coarse_data\n{COARSE}")
    (folder / "fine_data").mkdir()
    (folder / "coarse_data" / "masks").mkdir(parents=True)
    for number in range(15):
        parts = draw_parts(rng)
        path = folder / "fine_data" / f"{number:02d}.png"
        _picture(parts, rng).save(path)
        ids = parts.astype(np.uint8)
        ids[0, 0] = 255
        Image.fromarray(ids).save(path.with_name(f"{number:02d}_ids.png"))
    for number in range(12):
        parts = draw_parts(rng)
        _picture(parts, rng).save(folder / "coarse_data" / f"c{number}.png")
        white = np.where(parts[..., None] > 0, 255, 0).repeat(3, 2).astype(np.uint8)
        Image.fromarray(white).save(folder / "coarse_data" / "masks" / f"c{number}.png")
    (folder / "coarse_data" / "train.txt").write_text("".join(f"c{n}\n" for n in range(8)))
    (folder / "coarse_data" / "val.txt").write_text("".join(f"c{n}\n" for n in range(8, 12)))
    return folder


def tiny_values(project: Path, output: Path | str) -> dict[str, Value]:
    """Return the values of a config that trains for a few steps on both sets."""
    return {
        "ontology": str(project / "tiny.txt"),
        "datasets": [
            {"spec": str(project / "fine.yaml"), "train": "train", "evaluate": "val"},
            {"spec": str(project / "coarse.yaml"), "train": "train", "evaluate": "val"},
        ],
        "data": {"size": 16, "batch_size": 4, "workers": 0},
        "augment": {"flip": 0.5, "scale": [0.7, 1.0], "color": 0.2},
        "model": {"name": "unet", "width": 8, "norm": "group"},
        "optim": {"name": "sgd", "lr": 0.05, "schedule": "poly"},
        "train": {
            "steps": 6,
            "precision": "float32",
            "checkpoint_every": 3,
            "log_every": 2,
            "report": False,
        },
        "output": str(output),
    }


def tiny_config(project: Path, output: Path | str, *overrides: str) -> RunConfig:
    """Return a config that trains for a few steps on both sets, with some overrides."""
    return RunConfig.from_document(Document("tiny", tiny_values(project, output)), overrides)


def draw_parts(rng: np.random.Generator) -> np.ndarray:
    """Return a map of 0 (background), 1 (the left half of a box) and 2 (its right half)."""
    parts = np.zeros((20, 24), dtype=np.int64)
    top, left = rng.integers(1, 6), rng.integers(1, 8)
    parts[top : top + 12, left : left + 7] = 1
    parts[top : top + 12, left + 7 : left + 14] = 2
    return parts


def _picture(parts: np.ndarray, rng: np.random.Generator) -> Image.Image:
    noise = rng.integers(-30, 31, size=(*parts.shape, 3))
    return Image.fromarray((COLORS[parts].astype(int) + noise).clip(0, 255).astype(np.uint8))
