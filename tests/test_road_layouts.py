"""Road-scene sets as they lie on disk: read to exact classes and codes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_files import codes_of, make_space, photograph, save, shipped
from harmonize import DatasetSpec, HarmonizeError
from harmonize.config.strict_yaml import Value, load_text
from harmonize.data.dataset import SegmentationDataset
from road_sets import LAYOUTS, VISTAS, Layout

REPO = Path(__file__).parents[1]


def write_layout(layout: Layout, root: Path, label: np.ndarray) -> None:
    """Write the picture, its label, the split's list and the classes' JSON file."""
    save(root / layout.picture, photograph(*label.shape[:2]))
    save(root / layout.label, label)
    if layout.list is not None:
        (root / layout.list).write_text(f"{layout.line}\n")
    if layout.mapping.startswith("vistas"):
        write_config(root, layout.mapping.removeprefix("vistas_"))
        indices = Image.fromarray(label.astype(np.uint8))
        indices.putpalette(photograph(16, 16).tobytes())
        indices.save(root / layout.label)


def write_config(root: Path, version: str, *, file: str | None = None) -> None:
    """Write Mapillary's list of classes, in the order of the mapping."""
    names = shipped(REPO, f"vistas_{version}").classes
    labels = [{"name": name, "readable": name.title(), "color": [0, 0, 0]} for name in names]
    text = json.dumps({"version": version[1:], "labels": labels})
    (root / (file or f"config_{version}.json")).write_text(text)


@pytest.mark.parametrize(
    "layout", LAYOUTS, ids=lambda one: f"{one.mapping}-{one.split}-{one.picture[-3:]}"
)
def test_a_layout_reads_to_exact_classes_and_codes(layout: Layout, tmp_path: Path) -> None:
    values, names, nodes = zip(*layout.picks, strict=True)
    label = np.array([values, values[::-1]])
    write_layout(layout, tmp_path, label)
    spec = shipped(REPO, layout.mapping, layout.override)
    dataset = SegmentationDataset(spec, layout.split, root=tmp_path)
    assert len(dataset) == 1
    classes = dataset[0].classes.tolist()
    assert [list(spec.classes)[number] for number in classes[0]] == list(names)
    assert classes[1] == classes[0][::-1]
    space = make_space(REPO, "roads", spec)
    expected = [space.code(text.split()) if text else space.ignore for text in nodes]
    single = [text if text in space.ontology.leaves else "" for text in nodes]
    for code, leaf in zip(expected, single, strict=True):  # a leaf's code is its channel
        assert not leaf or space.ontology.leaves[code] == leaf
    assert codes_of(dataset, space) == [expected, expected[::-1]]


def test_vistas_has_the_channels_of_the_paper(tmp_path: Path) -> None:
    layout = LAYOUTS[0]
    label = np.arange(66).reshape(6, 11)
    write_layout(layout, tmp_path, label)
    spec = shipped(REPO, layout.mapping)
    dataset = SegmentationDataset(spec, layout.split, root=tmp_path)
    names = VISTAS.split()
    assert [name.split("--")[-1] for name in spec.classes] == names
    assert dataset[0].classes.tolist() == label.tolist()
    channels = [*range(45), 48, 51, 45, 46, 47, 49, 50, *range(52, 66)]  # leaf to id
    space = make_space(REPO, "vistas", spec)
    assert [space.ontology.leaves.index(name) for name in names] == np.argsort(channels).tolist()
    codes = np.argsort(channels)
    codes[65] = space.ignore
    assert codes_of(dataset, space) == codes[label].tolist()


def test_the_ids_of_vistas_follow_its_own_file_whatever_the_order(tmp_path: Path) -> None:
    layout = LAYOUTS[0]
    write_layout(layout, tmp_path, np.array([[0, 13, 65]]))
    config = tmp_path / "config_v1.2.json"
    labels = json.loads(config.read_text())["labels"]
    config.write_text(json.dumps({"labels": labels[::-1]}))
    dataset = SegmentationDataset(shipped(REPO, layout.mapping), "train", root=tmp_path)
    assert dataset[0].classes.tolist() == [[65, 52, 0]]
    config.write_text(json.dumps({"labels": labels[1:]}))
    with pytest.raises(HarmonizeError, match="no class 'animal--bird', which the mapping has"):
        SegmentationDataset(shipped(REPO, layout.mapping), "train", root=tmp_path)


def test_the_older_package_of_vistas_needs_two_other_paths(tmp_path: Path) -> None:
    save(tmp_path / "validation/images/a.jpg", photograph(1, 3))
    save(tmp_path / "validation/labels/a.png", [[13, 0, 65]])
    write_config(tmp_path, "v1.2", file="config.json")
    override: dict[str, Value] = {
        "class_file.json": "config.json",
        "label": "{split}/labels/{id}.png",
    }
    spec = shipped(REPO, "vistas_v1.2", override)
    assert SegmentationDataset(spec, "val", root=tmp_path)[0].classes.tolist() == [[13, 0, 65]]


def test_the_instance_pictures_of_kitti_hold_the_ids_too(tmp_path: Path) -> None:
    save(tmp_path / "training/image_2/000161_10.png", photograph(1, 3))
    instances = np.array([[26 << 8 | 3, 7 << 8, 0]], dtype=np.uint16)
    (tmp_path / "training/instance").mkdir()
    Image.fromarray(instances).save(tmp_path / "training/instance/000161_10.png")
    override: dict[str, Value] = {
        "label": "training/instance/{id:06d}_10.png",
        "value": "V // 256",
        "splits.val.range": [161, 161],
    }
    spec = shipped(REPO, "kitti", override)
    assert SegmentationDataset(spec, "val", root=tmp_path)[0].classes.tolist() == [[26, 7, 0]]


def test_the_segment_numbers_of_a_panoptic_picture_are_read_by_a_formula(tmp_path: Path) -> None:
    text = """
name: panoptic
picture: "images/{id}.jpg"
label: "panoptic/{id}.png"
encoding: ids
value: R + 256*G + 65536*B
splits: {all: {glob: "panoptic/{id}.png"}}
classes: {car: [70000, 255], road: 256, sky: 16777215, void: 0}
meaning: {roads: {car: car, road: road, sky: sky, void: ignore}}
"""
    numbers = np.array([[70000, 255, 256], [16777215, 0, 256]])
    save(tmp_path / "images/a.jpg", photograph(2, 3))
    save(tmp_path / "panoptic/a.png", np.stack([numbers >> shift & 255 for shift in (0, 8, 16)], 2))
    spec = DatasetSpec.from_document(load_text(text, "panoptic.yaml"))
    dataset = SegmentationDataset(spec, "all", root=tmp_path)
    assert dataset[0].classes.tolist() == [[0, 0, 1], [2, 3, 1]]
