"""The mappings of datasets/: what they say of their sets and mean in their trees."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

import universal_sets
from harmonize import DatasetSpec, Ontology
from harmonize.config.strict_yaml import Value, load_file

REPO = Path(__file__).parents[1]

MAPPINGS = sorted((REPO / "datasets").glob("*.yaml"))

SERVED = [
    (path.stem, ontology)
    for path in MAPPINGS
    for ontology in cast("dict[str, Value]", load_file(path).get(("meaning",)))
]


def shipped(name: str) -> DatasetSpec:
    return DatasetSpec.from_file(REPO / "datasets" / f"{name}.yaml")


def meant(name: str, ontology: str) -> dict[str, set[str]]:
    """Return the leaves that each class of a shipped mapping means."""
    tree = Ontology.from_file(REPO / "trees" / f"{ontology}.txt")
    spec = shipped(name)
    rows = zip(spec.classes, spec.leaf_masks(tree), strict=True)
    return {key: {tree.leaves[leaf] for leaf in np.flatnonzero(mask)} for key, mask in rows}


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_every_shipped_mapping_loads_and_is_named_after_its_file(path: Path) -> None:
    spec = DatasetSpec.from_file(path)
    assert path.stem.startswith(spec.name)  # no version: a dot would part a dotted path
    assert spec.about
    assert spec.root
    assert spec.name.startswith(spec.root.removeprefix("data/"))  # two may describe one package
    assert "train" in spec.splits
    assert {"val", "test"} & spec.splits.keys()
    assert spec.meaning


@pytest.mark.parametrize(("name", "ontology"), SERVED)
def test_every_shipped_mapping_fits_each_ontology_it_names(name: str, ontology: str) -> None:
    tree = Ontology.from_file(REPO / "trees" / f"{ontology}.txt")
    spec = shipped(name)
    masks = spec.leaf_masks(tree)
    assert masks.shape == (len(spec.classes), len(tree.leaves))
    ignored = {key for key, mask in zip(spec.classes, masks, strict=True) if not mask.any()}
    if ontology not in ("roads", "vistas", "universal"):  # test_{road,universal}_mappings
        assert ignored <= {"void", "ignore"}
    sets = {mask.tobytes() for mask in masks}
    assert {mask[tree.mirror].tobytes() for mask in masks} == sets  # flipping knows every class


def test_the_shipped_mappings_serve_these_ontologies() -> None:
    expected = {("helen", "faces"), ("helen", "faces_full"), ("lfw_parts", "faces")}
    expected |= {("lfw_parts", "faces_full"), ("camvid", "camvid"), ("camvid", "vistas")}
    expected |= {("face_synthetics", "faces"), ("face_synthetics", "faces_full")}
    expected |= {
        (name, ontology)
        for name in ("celebamask_hq", "lapa", "ibugmask")
        for ontology in ("faces", "faces_full")
    }
    expected |= {("voc", "voc"), ("ade20k", "ade20k")}
    expected |= {(one.mapping, "universal") for one in universal_sets.SETS}
    assert expected <= set(SERVED)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        (
            "helen",
            "background face_skin left_eyebrow right_eyebrow left_eye right_eye nose upper_lip "
            "inner_mouth lower_lip hair",
        ),
        (
            "face_synthetics",
            "background skin nose right_eye left_eye right_brow left_brow right_ear left_ear "
            "mouth_interior top_lip bottom_lip neck hair beard clothing glasses headwear facewear",
        ),
        (
            "camvid",
            "sky building pole road pavement tree sign_symbol fence car pedestrian bicyclist void",
        ),
    ],
)
def test_shipped_ids_are_those_of_the_data_sets(name: str, classes: str) -> None:
    values = {key: one.values for key, one in shipped(name).classes.items()}
    expected = {key: (number,) for number, key in enumerate(classes.split())}
    if name == "face_synthetics":
        expected["ignore"] = (255,)
    assert values == expected


def test_the_colours_of_lfw_parts_are_blue_green_and_red() -> None:
    values = {key: one.values for key, one in shipped("lfw_parts").classes.items()}
    assert values == {"background": (0x0000FF,), "skin": (0x00FF00,), "hair": (0xFF0000,)}


def test_helen_labels_the_leaves_of_the_face_tree_one_to_one() -> None:
    assert meant("helen", "faces") == {name: {name} for name in shipped("helen").classes}


def test_lfw_parts_labels_the_face_tree_coarsely() -> None:
    faces = set(meant("helen", "faces"))
    assert meant("lfw_parts", "faces") == {
        "background": {"background"},
        "skin": faces - {"background", "hair"},
        "hair": {"hair"},
    }


def test_the_classes_of_helen_and_lfw_parts_cover_the_full_face_tree() -> None:
    leaves = set(Ontology.from_file(REPO / "trees" / "faces_full.txt").leaves)
    helen, lfw = meant("helen", "faces_full"), meant("lfw_parts", "faces_full")
    assert set().union(*helen.values()) == leaves
    assert set().union(*lfw.values()) == leaves
    assert helen["face_skin"] == {"face_skin", "beard", "glasses", "facewear"}
    assert lfw["hair"] == {"hair", "beard"}
    assert lfw["background"] == {"background", "headwear", "clothing"}


def test_the_paths_of_the_shipped_mappings_are_those_on_disk() -> None:
    helen, lfw = shipped("helen"), shipped("lfw_parts")
    assert helen.picture.fill({"id": "232194_1"}) == "images/232194_1.jpg"
    mask = helen.label.fill({"id": "232194_1", "class": 3})
    assert mask == "labels/232194_1/232194_1_lbl03.png"
    person = {"person": "Ada_Example", "number": "7"}
    assert lfw.picture.fill(person) == "lfw_funneled/Ada_Example/Ada_Example_0007.jpg"
    assert lfw.label.fill(person) == "parts_lfw_funneled_gt_images/Ada_Example_0007.*"
    assert shipped("face_synthetics").label.fill({"id": 42}) == "000042_seg.png"
