"""One network scored on several data sets by the protocols of MSeg and the challenge."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from harmonize import DatasetSpec, HarmonizeError, Ontology, cli
from harmonize.config.strict_yaml import Value, dump
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import class_tree
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.evaluate import evaluate
from harmonize.evaluation.protocols import (
    PROTOCOLS,
    check_protocol,
    harmonic_mean,
    summarize_protocol,
)
from harmonize.evaluation.saved_protocol import draw_protocol
from harmonize.evaluation.saved_scores import read_evaluation
from harmonize.labels.scored_classes import for_benchmark, scored_classes
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project
from ways import TREE, write_mapping

MEANING: dict[str, Value] = {
    "way": ["road", "lane"],
    "side": ["walk", "kerb"],
    "green": "grass",
    "track": "rail",
}
UNLIKELY = 1e-9


class ByRed(nn.Module):
    """Gives the leaves of each pixel the probabilities that its red stands for."""

    def forward(self, pictures: Tensor) -> Tensor:
        red = (pictures[:, 0] / 10).round().long().clamp(0, 5)
        # a pixel of red 0 is road 0.3, lane 0.3, walk 0.4; others are the leaf of their number
        rows = torch.eye(6)
        rows[0] = torch.tensor([0.3, 0.3, 0.0, 0.4, 0.0, 0.0])
        return rows.clamp(min=UNLIKELY).log()[red].permute(0, 3, 1, 2)


def mapping(name: str, meaning: dict[str, Value], **further: Value) -> DatasetSpec:
    return write_mapping(name, meaning, folder=f"{name}/", **further)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ontology:
    monkeypatch.chdir(tmp_path)
    Path("ways.txt").write_text(TREE)
    return Ontology.from_file("ways.txt")


def write_picture(name: str, seen: list[int], truth: list[int]) -> None:
    """Write a picture of ten rows whose columns, four pixels wide, have these reds and ids."""
    red, ids = (np.repeat(row, 4)[None].repeat(10, 0) for row in (seen, truth))
    Path(name).mkdir()
    Image.fromarray(np.stack([10 * red, 0 * red, 0 * red], 2).astype(np.uint8)).save(
        f"{name}/0.png"
    )
    Image.fromarray(ids.astype(np.uint8)).save(f"{name}/0_ids.png")


def score(tree: Ontology, asked: DatasetSpec, trained: DatasetSpec) -> DatasetScores:
    spec = for_benchmark(asked)
    classes = scored_classes(tree, spec, [trained], whole=True)
    return evaluate(
        ByRed(),
        SegmentationDataset(spec, "val", root=Path.cwd()),
        tree,
        accelerator=Accelerator(cpu=True),
        size=10,
        classes=classes,
        groups=(),
        decoder=Decoder(class_tree(classes.masks), "leaves"),
    )


@pytest.fixture
def trained(tree: Ontology) -> DatasetSpec:
    """All leaves but the rail."""
    assert tree.depth == 1
    return mapping("trained", {leaf: leaf for leaf in tree.leaves if leaf != "rail"})


def test_a_class_is_answered_by_the_sum_of_what_it_means(
    tree: Ontology, trained: DatasetSpec
) -> None:
    asked = mapping("asked", MEANING)
    # Of red 0 the way has 0.6, the side 0.4, though walk is the most probable leaf.
    write_picture("asked", [0, 0, 3, 5], [0, 1, 1, 2])
    found = score(tree, asked, trained)
    assert found.confusion.tolist() == [
        [40, 0, 0, 0],
        [40, 40, 0, 0],
        [0, 0, 40, 0],
        [0, 0, 0, 0],
    ]
    assert found.depths == ()


def test_a_class_without_a_counterpart_counts_as_zero_and_against_what_is_answered_there(
    tree: Ontology, trained: DatasetSpec
) -> None:
    asked = mapping("asked", MEANING)
    write_picture("asked", [0, 3, 3, 5, 5], [0, 1, 3, 2, 2])
    found = score(tree, asked, trained)
    assert found.classes == ("way", "side", "green", "track")
    # side: 40 right, and 40 of the track are answered as it
    assert found.scores.iou.tolist() == [1.0, 0.5, 1.0, 0.0]
    assert found.scores.mean_iou == pytest.approx(2.5 / 4)
    assert found.scores.pixel_accuracy == pytest.approx(4 / 5)
    assert found.saved().unanswered == {"track": "no trained set labels it"}
    assert found.saved().left_out == {}
    lines = found.table().splitlines()
    assert "no counterpart: track, no trained set labels it" in lines
    usual = scored_classes(tree, asked, [trained])
    assert usual.left_out == {"track": "no trained set labels it"}
    assert not usual.unanswered


def test_a_class_without_a_counterpart_that_does_not_occur_is_in_no_mean(
    tree: Ontology, trained: DatasetSpec
) -> None:
    asked = mapping("asked", MEANING)
    write_picture("asked", [0, 3, 5], [0, 1, 2])
    assert score(tree, asked, trained).scores.mean_iou == 1


def test_classes_that_the_benchmark_does_not_score_are_void_and_no_answers(
    tree: Ontology, trained: DatasetSpec
) -> None:
    asked = mapping("asked", MEANING, benchmark=["way", "side"])
    write_picture("asked", [0, 3, 5, 5], [0, 1, 2, 1])
    found = score(tree, asked, trained)
    assert found.classes == ("way", "side")
    # the 40 pixels of green are not scored; what looks green on the side is the first of the two
    assert int(found.confusion.sum()) == 120
    assert for_benchmark(asked).meaning["ways"]["green"] == ()
    assert asked.meaning["ways"]["green"] == ("grass",)


def test_overlapping_classes_are_answered_approximately_and_each_says_how(
    tree: Ontology, trained: DatasetSpec
) -> None:
    asked = mapping("asked", {"way": ["road", "lane"], "bikes": ["lane", "walk"], "kerb": "kerb"})
    write_picture("asked", [1, 3, 4], [0, 1, 2])
    found = score(tree, asked, trained)
    # the lane has two owners of two leaves: the first
    says = {"bikes": "without lane, answered as way"}
    assert found.saved().approximate == says
    assert found.scores.mean_iou == 1
    summary = summarize_protocol("mseg", [found], [])
    assert summary.sets["asked"].approximate == says
    assert "asked: approximate: bikes, without lane, answered as way" in draw_protocol("x", summary)


@pytest.mark.parametrize(
    ("values", "published"),
    [
        ((70.7, 42.7, 83.3, 62.0, 67.0, 48.2), 59.2),  # MSeg (1M)
        ((76.4, 45.9, 81.2, 62.7, 68.2, 49.5), 61.2),  # MSeg (3M)-480p
        ((35.4, 23.9, 52.6, 38.6, 41.6, 42.9), 36.9),  # ADE20K (1M)
        ((22.5, 13.6, 82.1, 55.4, 67.7, 2.1), 9.3),  # Mapillary (1M)
    ],
)
def test_the_harmonic_mean_is_that_of_the_authors_tables(
    values: tuple[float, ...], published: float, tree: Ontology, trained: DatasetSpec
) -> None:
    """Of README.md of mseg-dataset/mseg-semantic."""
    asked = mapping("asked", MEANING)
    write_picture("asked", [0], [0])
    one = score(tree, asked, trained)
    means: list[float] = []
    for rounding in (-0.0005, 0.0005):  # of the numbers that were published
        sets = [
            dataclasses.replace(
                one, scores=dataclasses.replace(one.scores, mean_iou=value / 100 + rounding)
            )
            for value in values
        ]
        mean, interval = harmonic_mean(sets)
        assert np.isnan(interval).all()  # of one picture each
        means.append(100 * mean)
    low, high = means
    assert low - 0.05 <= published <= high + 0.05
    assert high - low < 0.5


def test_a_set_of_zero_makes_the_harmonic_mean_zero(tree: Ontology, trained: DatasetSpec) -> None:
    asked = mapping("asked", MEANING)
    write_picture("asked", [0, 3], [1, 0])  # all wrong
    found = score(tree, asked, trained)
    assert found.scores.mean_iou == 0
    assert harmonic_mean([found, found])[0] == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets that are trained on, and one, which calls left and right front, that is not."""
    folder = write_project(tmp_path_factory.mktemp("protocols"))
    text = (folder / "fine.yaml").read_text().replace("name: fine", "name: other")
    text = text.replace("fine_data", "other_data").replace("left: 1", "front: 1")
    text = text.replace("left: left, right: right", "front: left, right: right")
    (folder / "other.yaml").write_text(text)
    (folder / "other_data").symlink_to(folder / "fine_data")
    train(tiny_config(folder, folder / "run"), name="tiny")
    return folder


def test_mseg_counts_the_sets_that_were_not_trained_on(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.json"
    words = ["evaluate", str(project / "run"), "--protocol", "mseg", "--json", str(file)]
    assert cli.main([*words, "--dataset", "fine", str(project / "other.yaml")]) == 0
    printed = capsys.readouterr().out
    saved = json.loads(file.read_text())["protocol"]
    assert saved["name"] == "mseg"
    assert {name: one["trained_on"] for name, one in saved["sets"].items()} == {
        "fine": True,
        "other": False,
    }
    # one set: its own mean and its own interval
    other = json.loads(file.read_text())["datasets"]["other"]
    assert saved["harmonic_mean"] == pytest.approx(other["mean_iou"])
    assert saved["harmonic_mean_interval"] == pytest.approx(other["mean_iou_interval"])
    assert saved["missing"] == list(PROTOCOLS["mseg"].sets)
    assert "MSeg (Lambert et al., CVPR 2020)\n---" in printed
    assert "\nharmonic mean of 1 not trained on" in printed
    assert "\nother, val                         no " in printed
    assert list(read_evaluation(file, "x")) == ["fine", "other"]


def test_the_harmonic_mean_of_two_sets_lies_in_its_interval(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    text = (project / "other.yaml").read_text().replace("name: other", "name: second")
    (project / "second.yaml").write_text(text)
    names = [str(project / "other.yaml"), str(project / "second.yaml")]
    words = ["evaluate", str(project / "run"), "--protocol", "mseg", "--json", str(file)]
    assert cli.main([*words, "--dataset", *names]) == 0
    whole = json.loads(file.read_text())
    a, b = (whole["datasets"][name]["mean_iou"] for name in ("other", "second"))
    low, high = whole["protocol"]["harmonic_mean_interval"]
    assert whole["protocol"]["harmonic_mean"] == pytest.approx(2 / (1 / a + 1 / b))
    assert low <= whole["protocol"]["harmonic_mean"] <= high
    # two sets that are drawn independently vary less than one
    own = whole["datasets"]["other"]["mean_iou_interval"]
    assert 0 < high - low < own[1] - own[0]


def test_rvc_gives_no_ranks(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.json"
    words = ["evaluate", str(project / "run"), "--protocol", "rvc", "--json", str(file)]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "ranks are not given: they need the scores of other entrants" in printed
    assert "harmonic mean" not in printed
    saved = json.loads(file.read_text())["protocol"]
    assert list(saved["sets"]) == ["fine", "coarse"]
    assert saved["harmonic_mean"] is None
    assert f"of the published sets not scored: {', '.join(PROTOCOLS['rvc'].sets)}" in printed


def test_other_mappings_of_trained_pictures_are_trained_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / "fine.yaml").read_text().replace("name: fine", "name: again")
    (project / "again.yaml").write_text(text)
    words = ["evaluate", str(project / "run"), "--protocol", "mseg", "--dataset"]
    with pytest.raises(SystemExit):
        cli.main([*words, str(project / "again.yaml")])
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(
            "--protocol mseg: scores sets that were not trained on, and all of again were; name "
            "another with --dataset FILE.yaml"
        )
    )


@pytest.mark.parametrize(
    ("name", "scored", "own_norms", "message"),
    [
        ("mseg", ["a", "b"], False, r"mseg: scores sets .*all of a, b were; name another with"),
        ("rvc", ["a"], False, r"rvc: is for 2 data sets or more, got a; name others with"),
        ("rvc", ["a", "b"], True, r"rvc: asks for the same parameters .*model\.norm=batch$"),
    ],
)
def test_what_a_protocol_cannot_score_is_refused(
    name: str, scored: list[str], own_norms: bool, message: str
) -> None:
    with pytest.raises(HarmonizeError, match=message):
        check_protocol(name, scored, ["a", "b"], own_norms=own_norms)  # type: ignore[arg-type]


def test_a_benchmarks_classes_are_the_sets_own(tree: Ontology) -> None:
    assert tree.leaves
    with pytest.raises(HarmonizeError, match=r"benchmark\.1: no class 'wey'; did you mean way\?"):
        mapping("asked", MEANING, benchmark=["way", "wey"])


def test_a_set_without_labels_has_no_benchmark(project: Path) -> None:
    values: dict[str, Value] = {
        "name": "bare",
        "picture": "{id}.png",
        "label": None,
        "splits": {"all": {"glob": "{id}.png"}},
        "benchmark": ["a"],
    }
    (project / "bare.yaml").write_text(dump(values))
    with pytest.raises(HarmonizeError, match=r"benchmark: there are no labels .* remove the key"):
        DatasetSpec.from_file(project / "bare.yaml")
