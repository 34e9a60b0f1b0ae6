"""The universal tree and its mappings, held against the published table of Bevandic et al."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_files import shipped
from harmonize import DatasetSpec, Ontology
from universal_sets import SETS

REPO = Path(__file__).parents[1]

FACTS: dict[str, Any] = json.loads((REPO / "tests" / "universal_facts.json").read_text())
"""Of each data set the id and the universal classes of every class."""

VOID = "ignore"
"""A universal class of theirs that stands for nothing; no leaf of the tree."""

FILES = {
    "wilddash2": "wilddash2_rvc",
}
"""The mapping of a data set of the table, where it is called otherwise."""

CAMVID = {
    "column pole": "pole",
    "sidewalk": "pavement",
    "sign": "sign_symbol",
    "ignore": "void",
}

DIFFERENT_IDS = {
    "bdd100k": {"ignore": "the files have 255 where their own reader has 19"},
    "camvid": dict.fromkeys(
        FACTS["datasets"]["camvid"], "their ids are their own; these are those of SegNet's files"
    ),
    "coco_panoptic": dict.fromkeys(
        FACTS["datasets"]["coco_panoptic"], "their ids are their own; the files have names"
    ),
    "idd": {"ignore": "no pixel of the files has their 40; unlabelled ones are 35"},
    "vistas_v1.2": dict.fromkeys(
        FACTS["datasets"]["vistas_v1.2"], "the ids are read from the package's own list of names"
    ),
}
"""Classes whose ids are not the table's, with the reason."""

MISSING = {("idd", "ignore"): "no pixel of the files has their 40; unlabelled ones are 35"}
"""Classes of the table that a mapping has not, with the reason."""

SCANNET_20 = (*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39)
"""The ids of NYUv2's classes that the benchmark of ScanNet scores."""

SOURCE_OF = {"kitti": "cityscapes", "cityscapes_train_ids": "cityscapes"}
"""Mappings that take over the meaning of another set's classes."""


@functools.cache
def load(dataset: str) -> DatasetSpec:
    """Return the mapping of a data set of the table, or of that name."""
    return shipped(REPO, FILES.get(dataset, dataset))


def own_name(dataset: str, published: str, number: int) -> str | None:
    """Return the name in the mapping of a class of the table."""
    if dataset == "camvid":
        return CAMVID.get(published, published)
    if dataset == "vistas_v1.2":
        return published
    if dataset == "coco_panoptic":
        return "void" if published == VOID else published
    if (dataset, published) == ("bdd100k", VOID):
        return "void"
    with_id = [name for name, one in load(dataset).classes.items() if one.values == (number,)]
    return with_id[0] if with_id else None


@pytest.fixture(scope="module")
def universal() -> Ontology:
    return Ontology.from_file(REPO / "trees" / "universal.txt")


def meant(mapping: str, tree: Ontology) -> dict[str, set[str]]:
    spec = load(mapping)
    rows = zip(spec.classes, spec.leaf_masks(tree), strict=True)
    return {name: {tree.leaves[n] for n in np.flatnonzero(mask)} for name, mask in rows}


def test_the_leaves_are_the_universal_classes_but_the_void_one(universal: Ontology) -> None:
    published = FACTS["universal_classes"]
    assert len(published) == len(set(published)) == 260
    assert sorted(universal.leaves) == sorted({*published} - {VOID})


def test_every_leaf_lies_at_depth_three_to_five_and_no_node_has_a_single_child(
    universal: Ontology,
) -> None:
    assert universal.depth == 5
    assert {universal.depth_of(leaf) for leaf in universal.leaves} == {3, 4, 5}
    assert [node for node in universal.nodes if len(universal.children(node)) == 1] == []


def test_the_tree_has_no_left_and_right(universal: Ontology) -> None:
    assert (universal.mirror == np.arange(259)).all()


@pytest.mark.parametrize("dataset", FACTS["datasets"])
def test_every_class_means_what_was_published(dataset: str, universal: Ontology) -> None:
    ours = meant(dataset, universal)
    theirs: dict[str | None, set[str]] = {}
    for published, (number, leaves) in FACTS["datasets"][dataset].items():
        name = own_name(dataset, published, number)
        assert name is not None or (dataset, published) in MISSING
        theirs[name] = {*leaves} - {VOID}
    theirs.pop(None, None)
    assert theirs == ours


@pytest.mark.parametrize("dataset", FACTS["datasets"])
def test_ids_are_the_published_ones_unless_there_is_a_reason(dataset: str) -> None:
    spec = load(dataset)
    differ: set[str] = set()
    for published, (number, _) in FACTS["datasets"][dataset].items():
        name = own_name(dataset, published, number)
        if name is None or spec.classes[name].values != (number,):
            differ.add(published)
    assert differ - DIFFERENT_IDS.get(dataset, {}).keys() == set()
    assert bool(differ) == (dataset in DIFFERENT_IDS)  # no reason without a difference


@pytest.mark.parametrize("dataset", FACTS["datasets"])
def test_mappings_that_follow_the_table_say_where_it_is_from(dataset: str) -> None:
    spec = load(dataset)
    assert "Bevandic et al., IJCV 2024 (UNIZG-FER-D307/universal_taxonomies, MIT)" in spec.about


@pytest.mark.parametrize(("mapping", "source"), SOURCE_OF.items())
def test_sets_with_the_classes_of_another_mean_the_same(
    mapping: str, source: str, universal: Ontology
) -> None:
    theirs = {name: {*leaves} - {VOID} for name, (_, leaves) in FACTS["datasets"][source].items()}
    for name, leaves in meant(mapping, universal).items():
        assert leaves == theirs.get(name.replace("_", " "), set())


def test_scannets_benchmark_has_twenty_of_its_classes_which_mean_what_was_published(
    universal: Ontology,
) -> None:
    theirs = {
        number: {*leaves} - {VOID} for number, leaves in FACTS["datasets"]["scannet"].values()
    }
    spec = load("scannet20")
    ours = meant("scannet20", universal)
    scored = {entry.values: ours[name] for name, entry in spec.classes.items() if ours[name]}
    assert scored == {(number,): theirs[number] for number in SCANNET_20}
    void = {value for value in spec.classes["void"].values if isinstance(value, int)}
    assert void == {*range(41)} - {*SCANNET_20}
    full = load("scannet")
    assert tuple(full.classes[name].values[0] for name in full.benchmark) == SCANNET_20
    assert {name: entry for name, entry in full.classes.items() if name in full.benchmark} == {
        name: entry for name, entry in spec.classes.items() if name != "void"
    }


@pytest.mark.parametrize("dataset", FACTS["evaluated"])
def test_the_classes_of_a_benchmark_are_those_that_the_table_scores(dataset: str) -> None:
    numbers = {name: number for name, (number, _) in FACTS["datasets"][dataset].items()}
    scored = [own_name(dataset, name, numbers[name]) for name in FACTS["evaluated"][dataset]]
    assert list(load(dataset).benchmark) == scored
    if dataset == "cityscapes":
        assert load("kitti").benchmark == load(dataset).benchmark
        train_ids = [name for name in load("cityscapes_train_ids").classes if name != "void"]
        assert list(load(dataset).benchmark) == train_ids


@pytest.mark.parametrize("mapping", [one.mapping for one in SETS])
def test_a_set_of_leaves_that_a_node_has_is_written_as_the_node(
    mapping: str, universal: Ontology
) -> None:
    written = load(mapping).meaning["universal"]
    for name, nodes in written.items():
        fewest = universal.describe(universal.leaf_mask(nodes)) if nodes else ()
        assert tuple(nodes) == fewest, name


@pytest.mark.parametrize("mapping", [one.mapping for one in SETS])
def test_classes_of_a_set_share_no_leaves_unless_they_mean_the_same(
    mapping: str, universal: Ontology
) -> None:
    sets = list(meant(mapping, universal).values())
    for number, one in enumerate(sets):
        for other in sets[:number]:
            assert not one & other or (one == other and mapping == "coco_stuff")


def test_every_leaf_is_in_a_class_and_some_set_tells_any_two_apart(universal: Ontology) -> None:
    sets = [meant(dataset, universal) for dataset in FACTS["datasets"]]
    classes = [one for names in sets for one in names.values() if one]
    patterns = [tuple(leaf in one for one in classes) for leaf in universal.leaves]
    assert all(any(pattern) for pattern in patterns)
    assert len(set(patterns)) == len(patterns)


def test_the_published_table_is_small(repo: Path) -> None:
    assert (repo / "tests" / "universal_facts.json").stat().st_size < 1_000_000
