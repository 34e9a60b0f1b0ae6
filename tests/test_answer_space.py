"""The answers that a picture can get, and their colours."""

import colorsys
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from decoders import by_tree
from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.config.data_config import DatasetEntry
from harmonize.config.strict_yaml import Document
from harmonize.inference.answer_space import classes_of, confident_nodes, groups, leaves
from harmonize.labels.class_file import ClassFile
from harmonize.labels.palette import distinct, node_colors
from harmonize.labels.sources import Sources, load_sources
from tiny import tiny_config, write_project

TREE = "background\nperson\n\tface\n\t\tskin\n\t\tnose\n\thair\n\that\ncar\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def tiny(project: Path) -> Sources:
    return load_sources(tiny_config(project, "run"))


def make_spec(encoding: str, classes: dict[str, object], meaning: dict[str, object]) -> DatasetSpec:
    names = {"masks": "{id}_{class}.png", "soft_masks": "{id}_{class}.png"}
    values = {
        "name": "made",
        "picture": "{id}.jpg",
        "label": names.get(encoding, "{id}.png"),
        "encoding": encoding,
        "splits": {"train": {"range": [0, 1]}},
        "classes": classes,
        "meaning": {"small": meaning},
    }
    return DatasetSpec.from_document(Document("made.yaml", values))  # type: ignore[arg-type]


def trained_on(meaning: dict[str, object]) -> Sources:
    spec = make_spec("ids", {name: number for number, name in enumerate(meaning)}, meaning)
    entry = DatasetEntry("made.yaml", train="train")
    return Sources(Ontology(TREE, name="small"), ((entry, spec),), ())


@pytest.fixture(scope="module")
def every_leaf() -> Sources:
    return trained_on({leaf: leaf for leaf in Ontology(TREE, name="small").leaves})


@pytest.fixture(scope="module")
def unclear() -> Sources:
    """Hats are labelled as background, skin and nose as face; cars never."""
    return trained_on({"back": ["background", "hat"], "face": "face", "hair": "hair"})


def test_leaves_are_numbered_as_the_networks_channels(every_leaf: Sources) -> None:
    space = leaves(every_leaf, by_tree(every_leaf))
    assert [word.name for word in space.labels] == list(every_leaf.ontology.leaves)
    assert [word.value for word in space.labels] == list(range(6))
    assert np.array_equal(space.masks, np.eye(6, dtype=bool))
    assert not space.unanswerable


def test_leaves_that_no_label_tells_apart_are_one_answer(unclear: Sources) -> None:
    space = leaves(unclear, by_tree(unclear))
    assert [word.name for word in space.labels] == ["background+hat", "face", "hair"]
    assert [word.depth for word in space.labels] == [None, 2, 2]
    assert space.unanswerable == {"car": "no trained set labels it"}
    logits = torch.tensor([1.0, 1.1, 1.2, 1.5, 0.0, 9.0])[:, None, None]
    assert space.decide(logits).item() == 1  # skin and nose are more probable together than hair


def test_groups_are_the_nodes_of_a_depth_and_leaves_above_it(every_leaf: Sources) -> None:
    space = groups(every_leaf, by_tree(every_leaf), 2)
    names = ["background", "face", "hair", "hat", "car"]
    assert [word.name for word in space.labels] == names
    assert space.masks.sum(1).tolist() == [1, 2, 1, 1, 1]


def test_a_group_goes_without_leaves_that_are_unclear(unclear: Sources) -> None:
    space = groups(unclear, by_tree(unclear), 1)
    assert [word.name for word in space.labels] == ["background+hat", "person"]
    assert space.masks.tolist() == [
        [True, False, False, False, True, False],
        [False, True, True, True, False, False],
    ]


@pytest.mark.parametrize("depth", [0, 4])
def test_a_depth_that_the_tree_has_not_is_refused(every_leaf: Sources, depth: int) -> None:
    with pytest.raises(HarmonizeError, match=f"--depth {depth}: small has the depths 1 to 3"):
        groups(every_leaf, by_tree(every_leaf), depth)


@pytest.mark.parametrize(
    ("p", "confidence", "expected"),
    [
        # background, skin, nose, hair, hat, car
        ([0.02, 0.9, 0.05, 0.01, 0.01, 0.01], 0.9, "skin"),
        ([0.02, 0.6, 0.35, 0.01, 0.01, 0.01], 0.9, "face"),
        ([0.02, 0.5, 0.15, 0.21, 0.11, 0.01], 0.9, "person"),
        ([0.4, 0.3, 0.1, 0.1, 0.1, 0.0], 0.9, "unknown"),
        ([0.4, 0.3, 0.1, 0.1, 0.1, 0.0], 0.6, "person"),
        ([0.0, 0.4, 0.6, 0.0, 0.0, 0.0], 0.4, "nose"),  # of both that reach it
        ([0.0, 0.4, 0.6, 0.0, 0.0, 0.0], 1.0, "face"),  # whatever rounding makes of the sum
    ],
)
def test_answers_back_off_to_the_deepest_node_that_is_probable_enough(
    every_leaf: Sources, p: list[float], confidence: float, expected: str
) -> None:
    space = confident_nodes(every_leaf, by_tree(every_leaf), confidence)
    found = space.decide(torch.tensor(p).log()[:, None, None])
    assert space.labels[int(found)].name == expected


def test_backing_off_takes_leaves_that_are_unclear_for_one_node(unclear: Sources) -> None:
    space = confident_nodes(unclear, by_tree(unclear), 0.9)
    assert [word.name for word in space.labels] == [
        *("unknown", "person", "face", "hair", "background+hat")
    ]
    for p in ([0.5, 0.0, 0.0, 0.05, 0.45, 0.0], [0.01, 0.0, 0.0, 0.0, 0.99, 0.0]):
        found = space.decide(torch.tensor(p).log()[:, None, None])
        assert space.labels[int(found)].name == "background+hat"


@pytest.mark.parametrize("confidence", [0.0, -0.1, 1.01, float("nan")])
def test_a_confidence_that_is_no_probability_is_refused(
    every_leaf: Sources, confidence: float
) -> None:
    with pytest.raises(HarmonizeError, match=r"--confidence .*: a probability above 0, up to 1"):
        confident_nodes(every_leaf, by_tree(every_leaf), confidence)


def test_classes_have_the_data_sets_own_ids_or_colours(tiny: Sources) -> None:
    fine, coarse = (classes_of(tiny, by_tree(tiny), spec, {}) for spec in tiny.specs)
    assert [word.value for word in fine.labels] == [0, 1, 2, 255]
    assert fine.masks[3].sum() == 0  # void
    assert [word.value for word in coarse.labels] == [0, 0xFFFFFF]
    assert coarse.encoding.name == "rgb"
    assert coarse.labels[1].color == (255, 255, 255)


MEANING: dict[str, object] = {"person": "person", "rest": ["background", "car"]}


@pytest.mark.parametrize(
    ("encoding", "classes", "values"),
    [
        ("ids", {"person": [7, 8], "rest": 300}, [7, 300]),
        ("ids", {"person": 70000, "rest": 3}, [0, 1]),
        ("soft_masks", {"person": 5, "rest": 2}, [5, 2]),
        ("soft_masks", {"person": 5, "rest": None}, [0, 1]),
        ("masks", {"person": "man", "rest": None}, [0, 1]),
        ("rgb", {"person": ["#010203", "#000000"], "rest": "#ffffff"}, [0x010203, 0xFFFFFF]),
    ],
)
def test_classes_are_written_as_labels_are_where_that_is_one_picture(
    every_leaf: Sources, encoding: str, classes: dict[str, object], values: list[int]
) -> None:
    space = classes_of(every_leaf, by_tree(every_leaf), make_spec(encoding, classes, MEANING), {})
    assert [word.value for word in space.labels] == values
    assert [word.depth for word in space.labels] == [1, None]


def test_a_class_that_is_never_answered_changes_no_value(every_leaf: Sources) -> None:
    classes: dict[str, object] = {"person": 1, "rest": 0, "nothing": None}
    spec = make_spec("soft_masks", classes, {**MEANING, "nothing": "ignore"})
    space = classes_of(every_leaf, by_tree(every_leaf), spec, {})
    assert [word.value for word in space.labels] == [1, 0, 2]


def test_classes_that_the_labels_do_not_teach_are_left_out(unclear: Sources) -> None:
    meaning: dict[str, object] = {"hat": "hat", "hair": "hair", "car": "car"}
    spec = make_spec("ids", {"hat": 0, "hair": 1, "car": 2}, meaning)
    space = classes_of(unclear, by_tree(unclear), spec, {})
    assert space.masks.any(1).tolist() == [False, True, False]
    assert space.unanswerable == {
        "hat": "only as background + hat",
        "car": "no trained set labels it",
    }


def test_a_data_set_none_of_whose_classes_are_taught_is_refused(unclear: Sources) -> None:
    spec = make_spec("ids", {"car": 0}, {"car": "car"})
    with pytest.raises(HarmonizeError, match=r"--as made: .* \(car: no trained set labels it\)"):
        classes_of(unclear, by_tree(unclear), spec, {})


def test_ids_from_a_file_that_is_not_there_are_asked_for(every_leaf: Sources) -> None:
    spec = make_spec("ids", {"hair": 0, "car": 1}, {"hair": "hair", "car": "car"})
    spec = dataclasses.replace(spec, class_file=ClassFile(json="config.json"))
    with pytest.raises(HarmonizeError, match=r"made: the data set's folder was not found"):
        classes_of(every_leaf, by_tree(every_leaf), spec, {})


def test_colours_that_a_caller_changes_are_its_own(repo: Path) -> None:
    tree = Ontology.from_file(repo / "trees" / "voc.txt")
    colors = node_colors(tree)
    mine = node_colors(tree)
    mine.clear()
    assert node_colors(tree) == colors != mine


@pytest.mark.parametrize(
    "name", ["ade20k", "camvid", "faces", "faces_full", "roads", "universal", "vistas"]
)
def test_every_node_of_a_shipped_tree_has_a_colour_of_its_own(repo: Path, name: str) -> None:
    ontology = Ontology.from_file(repo / "trees" / f"{name}.txt")
    colors = node_colors(ontology)
    assert len(set(colors.values())) == len(colors) == len(ontology.nodes) + 1
    near = [
        np.abs(np.subtract(colors[one], colors[other])).max()
        for one, other in zip(ontology.leaves, ontology.leaves[1:], strict=False)
    ]
    assert min(near) >= 20  # of 255, for leaves that follow each other


def test_close_relatives_have_closer_hues_than_strangers() -> None:
    tree = Ontology(
        "a\n\ta1\n\ta2\nb\n\tb1\n\tb2\nc\n\tc1\n\tc2\n",
        name="t",
    )
    hue = {
        node: colorsys.rgb_to_hsv(*(part / 255 for part in color))[0]
        for node, color in node_colors(tree).items()
    }

    def apart(one: str, other: str) -> float:
        return min(abs(hue[one] - hue[other]), 1 - abs(hue[one] - hue[other]))

    assert max(apart("a1", "a2"), apart("b1", "b2"), apart("c1", "c2")) < min(
        apart("a", "b"), apart("b", "c"), apart("a", "c")
    )


def test_a_colour_that_is_taken_gives_way_to_a_free_one() -> None:
    taken = {(1, 2, 3)}
    for _ in range(300):
        taken.add(distinct((1, 2, 3), taken))
    assert len(taken) == 301


def test_negative_ids_are_not_written_where_they_are_answers(every_leaf: Sources) -> None:
    meaning: dict[str, object] = {"sky": "background", "man": "person", "none": "ignore"}
    for ids, written in (([4, 9, -1], [4, 9, -1]), ([-4, 9, 255], [0, 1, 2])):
        spec = make_spec("ids", dict(zip(meaning, ids, strict=True)), meaning)
        space = classes_of(every_leaf, by_tree(every_leaf), spec, {})
        assert [label.value for label in space.labels] == written
