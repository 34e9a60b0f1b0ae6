"""Classes of one meaning: scored, answered and shown as one under all their names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from decoders import by_tree
from harmonize import DatasetSpec, Ontology
from harmonize.cli import main
from harmonize.config.data_config import DatasetEntry
from harmonize.config.strict_yaml import Value, dump
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.evaluate import evaluate
from harmonize.inference.answer_space import classes_of
from harmonize.inference.drawing import draw_answer
from harmonize.inference.write_answers import describe
from harmonize.labels.same_meaning import same_meaning, say_merged, short_name
from harmonize.labels.scored_classes import scored_classes
from harmonize.labels.sources import Sources
from harmonize.pipeline.train import train
from report_cases import Page
from tiny import tiny_config, write_project

LEAVES = [f"garment_{letter}" for letter in "abcdefghijklm"]
TAGS = {f"tag_{number:02d}": LEAVES[number % 13] for number in range(59)}
SIDE = 26


class Seen(nn.Module):
    """Answers the leaf whose number is the red of the pixel, but takes leaf 12 for leaf 0."""

    def forward(self, pictures: Tensor) -> Tensor:
        red = (pictures[:, 0] / 10).round().long().clamp(0, 12)
        red = torch.where(red == 12, torch.zeros_like(red), red)
        return 20.0 * nn.functional.one_hot(red, 13).permute(0, 3, 1, 2).float()


@pytest.fixture
def clothes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetSpec:
    """Write a set of 59 tags on a tree of 13 leaves: each picture is two columns of each leaf."""
    monkeypatch.chdir(tmp_path)
    Path("clothes.txt").write_text("\n".join(LEAVES) + "\n")
    values: dict[str, Value] = {
        "name": "tagged",
        "root": str(tmp_path),
        "picture": "{id}.png",
        "label": "{id}_ids.png",
        "encoding": "ids",
        "splits": {"val": {"range": [0, 3]}},
        "classes": {name: 100 + number for number, name in enumerate(TAGS)},
        "meaning": {"clothes": dict(TAGS)},
    }
    Path("tagged.yaml").write_text(dump(values))
    rng = np.random.default_rng(0)
    for number in range(4):
        leaves = np.repeat(np.arange(13), 2)[None].repeat(SIDE, 0)
        tags = leaves + 13 * rng.integers(0, 4, leaves.shape)  # any tag of the leaf
        if number == 0:
            tags[: len(TAGS) - 52, 0] = np.arange(52, len(TAGS))  # those that come a fifth time
            leaves = tags % 13
        pixels = np.stack([10 * leaves, 0 * leaves, 0 * leaves], 2)
        Image.fromarray(pixels.astype(np.uint8)).save(f"{number}.png")
        Image.fromarray((100 + tags).astype(np.uint8)).save(f"{number}_ids.png")
    return DatasetSpec.from_file("tagged.yaml")


@pytest.fixture
def tree(clothes: DatasetSpec) -> Ontology:
    assert clothes.name == "tagged"
    return Ontology.from_file("clothes.txt")


@pytest.fixture
def scored(clothes: DatasetSpec, tree: Ontology) -> DatasetScores:
    dataset = SegmentationDataset(clothes, "val", root=Path.cwd())
    return evaluate(Seen(), dataset, tree, accelerator=Accelerator(cpu=True), size=SIDE)


def members(leaf: str) -> tuple[str, ...]:
    return tuple(tag for tag, owner in TAGS.items() if owner == leaf)


@pytest.mark.usefixtures("tree")
def test_a_mapping_of_59_tags_to_13_leaves_passes_the_check_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "tagged.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tagged.yaml: a mapping of 59 classes to clothes; 4 label files read"
    assert len(lines) == 2
    assert lines[1].startswith(
        "  note: tagged: 59 classes are scored and answered as 13, since some mean the same nodes "
        "of clothes: tag_00|tag_13|tag_26|+2, tag_01|tag_14|tag_27|+2, "
    )
    assert lines[1].count("|+") == 13


def test_its_13_classes_are_scored_each_with_the_pixels_of_all_its_tags(
    scored: DatasetScores, clothes: DatasetSpec
) -> None:
    assert scored.classes == tuple("|".join(members(leaf)) for leaf in LEAVES)
    assert scored.unanswerable == {}
    ids = [np.asarray(Image.open(f"{number}_ids.png")).astype(int) - 100 for number in range(4)]
    counts = np.bincount(np.stack(ids).ravel() % 13, minlength=13)
    assert scored.confusion.sum(1).tolist() == counts.tolist()
    right = scored.confusion.diagonal().tolist()
    assert right == [*counts[:12].tolist(), 0]  # the last leaf is taken for the first
    assert scored.scores.iou.tolist() == pytest.approx(
        [counts[0] / (counts[0] + counts[12]), *[1.0] * 11, 0.0]
    )
    assert scored.scores.pixel_accuracy == pytest.approx(1 - counts[12] / counts.sum())
    assert len(clothes.classes) == 59


def test_the_file_has_all_names_and_the_table_the_first(scored: DatasetScores) -> None:
    saved = scored.saved()
    first = "|".join(members(LEAVES[0]))
    assert saved.merged[first] == members(LEAVES[0])
    assert list(saved.iou) == [*saved.merged]
    assert saved.confusion is not None
    assert saved.confusion.classes == tuple(saved.iou)
    table = scored.table()
    assert "tag_00|tag_13|tag_26|+2 " in table
    assert first not in table
    assert "left out" not in table
    assert "(13 of 13 classes)" in table


def test_scores_at_depth_1_are_those_of_the_classes(scored: DatasetScores) -> None:
    (depth,) = scored.depths
    assert depth.groups == tuple(LEAVES)
    assert depth.scores.iou.tolist() == scored.scores.iou.tolist()


def test_answers_are_written_as_the_first_of_the_mapping(
    clothes: DatasetSpec, tree: Ontology
) -> None:
    sources = Sources(tree, ((DatasetEntry("tagged.yaml", train="val"), clothes),), ())
    space = classes_of(sources, by_tree(sources), clothes, {})
    logits = torch.eye(13)[:, None] * 9.0  # one row of 13 pixels
    answer = space.decide(logits).numpy()
    assert answer.tolist() == [list(range(13))]
    assert np.asarray(draw_answer(answer, space)).tolist() == [list(range(100, 113))]
    legend = describe(space, {})
    assert len(legend["classes"]) == 13
    assert legend["left_out"] == {}
    entry = legend["classes"]["100"]
    assert entry["name"] == "|".join(members(LEAVES[0]))
    assert entry["classes"] == list(members(LEAVES[0]))
    single = alone(sources)
    space = classes_of(single, by_tree(single), alone_spec(), {})
    assert "classes" not in describe(space, {})["classes"]["0"]
    json.dumps(legend)


def alone_spec() -> DatasetSpec:
    """Return a mapping of one class for each leaf."""
    values = json.loads(json.dumps(DatasetSpec.from_file("tagged.yaml").document.value))
    values["classes"] = {leaf: number for number, leaf in enumerate(LEAVES)}
    values["meaning"] = {"clothes": {leaf: leaf for leaf in LEAVES}}
    Path("alone.yaml").write_text(dump({**values, "name": "alone"}))
    return DatasetSpec.from_file("alone.yaml")


def alone(sources: Sources) -> Sources:
    entry = DatasetEntry("alone.yaml", train="val")
    return Sources(sources.ontology, ((entry, alone_spec()),), ())


def small(tmp_path: Path, classes: str, meaning: str) -> tuple[Ontology, DatasetSpec]:
    path = tmp_path / "m.yaml"
    path.write_text(
        "name: m\npicture: '{id}.png'\nlabel: '{id}_l.png'\nencoding: ids\n"
        f"splits: {{val: {{range: [0, 1]}}}}\nclasses: {classes}\nmeaning: {{t: {meaning}}}\n"
    )
    return Ontology("x\n\ta\n\tb\ny\n", name="t"), DatasetSpec.from_file(path)


def test_only_equal_sets_of_leaves_are_joined(tmp_path: Path) -> None:
    tree, spec = small(
        tmp_path,
        "{boots: 0, all: 1, void: 2, shoes: 3, parts: 4, no: 5, other: 6}",
        "{boots: a, all: x, void: ignore, shoes: a, parts: [b, a], no: ignore, other: y}",
    )
    same = same_meaning(tree, spec)
    assert same.names == (
        "boots|shoes",
        "all|parts",
        "void",
        "boots|shoes",
        "all|parts",
        "no",
        "other",
    )
    assert same.numbers.tolist() == [0, 1, 2, 0, 1, 5, 6]
    assert same.masks.any(1).tolist() == [True, True, False, False, False, False, True]
    assert dict(same.merged) == {"boots|shoes": ("boots", "shoes"), "all|parts": ("all", "parts")}
    assert say_merged(tree, spec) == (
        "m: 5 classes are scored and answered as 3, since some mean the same nodes of t: "
        "boots|shoes, all|parts"
    )
    assert spec.leaf_masks(tree).any(1).sum() == 5  # the mapping's own stay as they were


def test_a_joined_name_that_is_taken_has_more_bars(tmp_path: Path) -> None:
    tree, spec = small(tmp_path, '{a: 0, b: 1, "a|b": 2}', '{a: a, b: a, "a|b": y}')
    assert same_meaning(tree, spec).names == ("a||b", "a||b", "a|b")


def test_long_lists_are_short_in_tables() -> None:
    merged = {"a|b|c": ("a", "b", "c"), "a|b|c|d|e": ("a", "b", "c", "d", "e")}
    assert short_name("a|b|c", merged) == "a|b|c"
    assert short_name("a|b|c|d|e", merged) == "a|b|c|+2"
    assert short_name("alone", merged) == "alone"


def test_a_joined_class_is_left_out_as_one(tmp_path: Path) -> None:
    tree, spec = small(tmp_path, "{p: 0, q: 1, r: 2, s: 3}", "{p: a, q: a, r: b, s: y}")
    _, coarse = small(tmp_path, "{x: 0, y: 1}", "{x: x, y: y}")
    found = scored_classes(tree, spec, [coarse])
    assert dict(found.left_out) == {"p|q": "only as x", "r": "only as x"}
    assert found.masks.any(1).tolist() == [False, False, False, True]


def test_a_run_scores_shows_and_answers_them_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = write_project(tmp_path)
    path = project / "fine.yaml"
    text = path.read_text()
    path.write_text(text.replace("left: left, right: right", "left: thing, right: thing"))
    options = ("train.report=true", "evaluate.boundary=true")
    train(tiny_config(project, project / "run", *options), name="tiny")
    assert "left|right" in capsys.readouterr().out
    scores = json.loads((project / "run" / "evaluation.json").read_text())["datasets"]["fine"]
    assert scores["merged"] == {"left|right": ["left", "right"]}
    assert [*scores["iou"]] == ["background", "left|right"]
    assert [*scores["boundary"]["iou"]] == ["background", "left|right"]
    page = Page(project / "run" / "report.html")
    assert "left|right" in page.text
    legends = [image["alt"] for image in page.all("img") if image["alt"].startswith("truth")]
    assert any("left|right" in one for one in legends)
    assert not any("right" in one.replace("left|right", "") for one in legends)
    output = project / "answers"
    pictures = str(project / "fine_data" / "1[0-4].png")
    assert main(["predict", str(project / "run"), pictures, "-o", str(output), "--as", "fine"]) == 0
    assert (
        "answered as one: left|right, written as 1; they mean the same" in capsys.readouterr().out
    )
    answers = [np.unique(np.asarray(Image.open(one))) for one in sorted(output.rglob("*.png"))]
    assert len(answers) == 5
    assert {value for one in answers for value in one.tolist()} <= {0, 1}
    legend = json.loads((output / "legend.json").read_text())["classes"]
    assert legend["1"]["classes"] == ["left", "right"]
    assert "2" not in legend
