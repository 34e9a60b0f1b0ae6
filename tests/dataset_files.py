"""Small data sets on disk and their shipped mappings."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from harmonize.config.strict_yaml import Value, load_text
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

LFW_COLOURS = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], dtype=np.uint8)


def save(path: Path, pixels: np.ndarray | list[list[int]]) -> None:
    """Write a picture, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def photograph(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Return a random picture."""
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


def write_helen(root: Path, name: str, masks: np.ndarray) -> None:
    """Append a picture and its masks (11, H, W) to the training list of Helen."""
    save(root / "images" / f"{name}.jpg", photograph(*masks.shape[1:]))
    for number, mask in enumerate(masks):
        save(root / "labels" / name / f"{name}_lbl{number:02d}.png", mask)
    with (root / "exemplars.txt").open("a") as lines:
        lines.write(f"{len(list((root / 'images').iterdir()))} , {name}\n")


def write_lfw(root: Path, person: str, number: int, classes: np.ndarray, ending: str) -> None:
    """Append a picture and its colours to the training list of LFW Parts."""
    name = f"{person}_{number:04d}"
    save(root / "lfw_funneled" / person / f"{name}.jpg", photograph(*classes.shape, seed=number))
    save(root / "parts_lfw_funneled_gt_images" / f"{name}.{ending}", LFW_COLOURS[classes])
    with (root / "parts_train.txt").open("a") as lines:
        lines.write(f"{person} {number}\n")


def shipped(repo: Path, name: str, override: dict[str, Value] | None = None) -> DatasetSpec:
    """Load one of the shipped mappings; without changes only once."""
    path = repo / "datasets" / f"{name}.yaml"
    return DatasetSpec.from_file(path, override) if override else _as_shipped(path)


_as_shipped = functools.cache(DatasetSpec.from_file)


def make_spec(classes: str, meaning: str, options: str = "") -> DatasetSpec:
    """Return a mapping of grey ids whose every picture lies in one folder."""
    text = f"""
name: tiny
picture: "{{id}}.*"
label: "{{id}}_label.png"
encoding: ids
{options}
splits: {{all: {{glob: "{{id}}_label.png"}}}}
classes: {classes}
meaning: {meaning}
"""
    return DatasetSpec.from_document(load_text(text, "tiny.yaml"))


def make_space(repo: Path, tree: str, *specs: DatasetSpec) -> TargetSpace:
    """Return the target space of some mappings on a shipped tree."""
    return TargetSpace(Ontology.from_file(repo / "trees" / f"{tree}.txt"), specs)


def codes_of(dataset: SegmentationDataset, space: TargetSpace, number: int = 0) -> list[list[int]]:
    """Return the code of each pixel of a label."""
    return space.class_codes(dataset.spec.name)[dataset[number].classes.numpy()].tolist()
