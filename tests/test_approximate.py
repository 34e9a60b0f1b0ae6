"""Classes that overlap, answered all the same: which leaves answer for which."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from decoders import by_tree
from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.cli import main
from harmonize.config.data_config import DatasetEntry
from harmonize.config.strict_yaml import Value
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.evaluate import evaluate
from harmonize.inference.answer_space import classes_of
from harmonize.inference.write_answers import describe
from harmonize.labels.answerable import Answerable
from harmonize.labels.scored_classes import answers_for, scored_classes
from harmonize.labels.sources import Sources
from ways import TREE, write_mapping

TAUGHT = {
    "street": "road",
    "bike": "lane",
    "track": "rail",
    "edge": ["kerb", "walk"],
    "green": "grass",
}
Nodes = dict[str, str | list[str]]


def mapping(name: str, meaning: Nodes, **further: Value) -> DatasetSpec:
    return write_mapping(name, dict[str, Value](meaning), root=str(Path.cwd()), **further)  # type: ignore[arg-type]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ontology:
    monkeypatch.chdir(tmp_path)
    Path("ways.txt").write_text(TREE)
    return Ontology.from_file("ways.txt")


def leaves(tree: Ontology, answer: Answerable) -> set[str]:
    return {tree.leaves[number] for number in np.flatnonzero(answer.leaves).tolist()}


def told(tree: Ontology, trained: DatasetSpec, asked: DatasetSpec) -> dict[str, tuple[object, ...]]:
    return {
        one.name: (one.status, leaves(tree, one), one.reason)
        for one in answers_for(tree, [trained], asked)
    }


def test_twins_answer_for_the_class_that_has_most_of_them(tree: Ontology) -> None:
    coarse = mapping("coarse", {"ground": ["road", "lane", "rail"], "rest": ["walk", "kerb"]})
    meaning: Nodes = {"a": ["road", "lane"], "b": "rail", "c": ["walk", "grass"], "d": "kerb"}
    asked = mapping("asked", meaning, answers="approximate")
    assert told(tree, coarse, asked) == {
        "a": ("answerable", {"road", "lane", "rail"}, "with rail, which it does not mean"),
        "b": ("overlapping", {"rail"}, "its leaves are answered as a"),
        # one twin each: d has fewer leaves in all
        "c": ("overlapping", {"walk"}, "its leaves are answered as d"),
        "d": ("answerable", {"walk", "kerb"}, "with walk, which it does not mean"),
    }


def test_known_pixels_decide_before_leaves(tree: Ontology) -> None:
    coarse = mapping("coarse", {"ground": ["road", "lane", "rail"], "rest": ["walk", "kerb"]})
    meaning: Nodes = {"a": ["road", "lane"], "b": "rail", "c": ["walk", "grass"], "d": "kerb"}
    asked = mapping("asked", meaning, answers="approximate", pixels={"a": 1, "b": 2, "c": 5})
    found = told(tree, coarse, asked)
    assert found["b"][1] == {"road", "lane", "rail"}
    assert found["a"] == ("overlapping", {"road", "lane"}, "its leaves are answered as b")
    assert found["d"][0] == "answerable"  # the pixels of d are not known: leaves decide


def test_a_leaf_of_two_classes_answers_for_the_smaller(tree: Ontology) -> None:
    fine = mapping("fine", {leaf: leaf for leaf in tree.leaves})
    meaning: Nodes = {"way": ["road", "lane", "rail"], "bikes": ["lane", "walk"], "kerb": "kerb"}
    asked = mapping("asked", meaning, answers="approximate")
    assert told(tree, fine, asked) == {
        "way": ("answerable", {"road", "rail"}, "without lane, answered as bikes"),
        "bikes": ("answerable", {"lane", "walk"}, ""),
        "kerb": ("answerable", {"kerb"}, ""),
    }
    strict = mapping("strict", meaning)
    assert [one.reason for one in answers_for(tree, [fine], strict)] == [
        "shares lane with bikes",
        "shares lane with way",
        "",
    ]


def test_each_taught_leaf_answers_for_one_class_at_most(tree: Ontology) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        sets = [
            {
                f"c{n}": sorted(rng.choice(tree.leaves, rng.integers(1, 4), replace=False).tolist())
                for n in range(4)
            }
            for _ in range(2)
        ]
        trained = mapping("trained", sets[0])  # type: ignore[arg-type]
        asked = mapping("asked", sets[1], answers="approximate")  # type: ignore[arg-type]
        found = scored_classes(tree, asked, [trained])
        assert (found.masks.sum(0) <= 1).all()
        labelled = trained.leaf_masks(tree).any(0)
        assert not (found.masks & ~labelled).any()
        for number, mask in enumerate(asked.leaf_masks(tree)):  # no leaf of a class goes nowhere
            assert (mask & labelled & ~found.masks.any(0)).sum() == 0
            assert found.masks[found.numbers[number]].any() or found.names[number] in found.left_out


class ByRed(nn.Module):
    """Answers the leaf whose number is a tenth of the pixel's red."""

    def forward(self, pictures: Tensor) -> Tensor:
        red = (pictures[:, 0] / 10).round().long().clamp(0, 5)
        return 20.0 * nn.functional.one_hot(red, 6).permute(0, 3, 1, 2).float()


def test_scores_results_and_answers_say_what_overlaps(tree: Ontology) -> None:
    trained = mapping("trained", TAUGHT)  # type: ignore[arg-type]
    meaning: Nodes = {"way": ["road", "lane"], "side": ["walk", "lane"], "green": ["grass", "kerb"]}
    asked = mapping("asked", meaning, answers="approximate")
    # way: road, lane (tied with side, of as many leaves: the first); side: walk + kerb, of which
    # green has one as well, and as many leaves in all: the first
    seen = np.repeat(np.arange(6), 2)[None].repeat(12, 0)
    truth = np.array([0, 0, 2, 1, 1, 2])[seen]  # lane is way, rail is green here
    Image.fromarray(np.stack([10 * seen, 0 * seen, 0 * seen], 2).astype(np.uint8)).save("0.png")
    Image.fromarray(truth.astype(np.uint8)).save("0_ids.png")
    classes = scored_classes(tree, asked, [trained])
    dataset = SegmentationDataset(asked, "val", root=Path.cwd())
    found = evaluate(
        ByRed(), dataset, tree, accelerator=Accelerator(cpu=True), size=12, classes=classes
    )
    assert found.classes == ("way", "side", "green")
    says = {
        "side": "without lane, answered as way; with kerb, which it does not mean",
        "green": "without kerb, answered as side",
    }
    assert found.saved().approximate == says
    assert found.scores.iou[1].item() == 1.0
    for name, line in says.items():
        assert f"approximate: {name}, {line}" in found.table().splitlines()
    sources = Sources(tree, ((DatasetEntry("trained.yaml", train="val"), trained),), ())
    space = classes_of(sources, by_tree(sources), asked, {})
    assert describe(space, {})["approximate"] == says
    logits = torch.eye(6)[:, None] * 9.0
    assert space.decide(logits).tolist()[0][3:] == [1, 1, 2]
    assert space.decide(logits).tolist()[0][:2] == [0, 0]


def test_check_says_the_overlap_of_each_class(
    tree: Ontology, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tree.depth == 1
    meaning: Nodes = {
        "way": ["road", "lane"],
        "side": ["walk", "lane", "kerb"],
        "rest": ["rail", "grass"],
    }
    mapping("asked", meaning, answers="approximate")
    assert main(["check", "asked.yaml", "--scan", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "asked.yaml: a mapping of 3 classes to ways",
        "  note: asked: side: without lane, answered as way",
    ]
    mapping("asked", meaning)
    assert main(["check", "asked.yaml", "--scan", "0"]) == 1
    assert "'side' shares lane with 'way'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (
            {"pixels": {"way": 3}},
            r"pixels: belongs to answers: approximate; say so, or remove the key",
        ),
        (
            {"answers": "approximate", "pixels": {"wey": 3}},
            r"pixels\.wey: no class 'wey'; did you mean way\?",
        ),
        (
            {"answers": "roughly"},
            r"answers: expected one of strict, approximate, got 'roughly'",
        ),
        (
            {"answers": "approximate", "pixels": {"way": -1}},
            r"pixels\.way: expected a number at least 0",
        ),
    ],
)
@pytest.mark.usefixtures("tree")
def test_what_cannot_be_meant_is_refused(further: dict[str, Value], message: str) -> None:
    with pytest.raises(HarmonizeError, match=message):
        mapping("asked", {"way": "road", "rest": "walk"}, **further)


@pytest.mark.parametrize("vistas", ["vistas_v1.2", "vistas_v2.0"])
def test_vistas_answers_road_sidewalk_and_terrain_of_cityscapes(repo: Path, vistas: str) -> None:
    roads = Ontology.from_file(repo / "trees" / "roads.txt")
    trained = DatasetSpec.from_file(repo / "datasets" / f"{vistas}.yaml")
    path = repo / "datasets" / "cityscapes.yaml"
    strict = answers_for(roads, [trained], DatasetSpec.from_file(path))
    found = answers_for(roads, [trained], DatasetSpec.from_file(path, {"answers": "approximate"}))
    back = {"road", "sidewalk", "terrain"}
    assert back <= {one.name for one in strict if one.status == "coarser"}
    assert all(one.status == "answerable" for one in found)
    said = {one.name: one.reason for one in found if one.name in back}
    assert said["road"].startswith(
        "without bike_lane_road + tram_track + manhole_road, answered as"
    )
    assert all(said.values())
