"""Scoring in a data set's own classes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator
from PIL import Image

from by_color import ByColor
from harmonize import DatasetSpec, Ontology
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.by_depth import depth_groups
from harmonize.evaluation.evaluate import evaluate
from harmonize.labels.scored_classes import ScoredClasses, scored_classes
from tiny import COLORS, write_project


def without(tree: Ontology, dataset: SegmentationDataset, **reasons: str) -> ScoredClasses:
    """Return a data set's classes, some of them left out for these reasons."""
    scored = scored_classes(tree, dataset.spec)
    scored.masks[[name in reasons for name in scored.names]] = False
    return dataclasses.replace(scored, left_out=reasons)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def open_set(project: Path) -> Callable[[str], SegmentationDataset]:
    def open_one(name: str) -> SegmentationDataset:
        spec = DatasetSpec.from_file(project / f"{name}.yaml")
        return SegmentationDataset(spec, "val", root=project / f"{name}_data")

    return open_one


@pytest.fixture
def tree(project: Path) -> Ontology:
    return Ontology.from_file(project / "tiny.txt")


@pytest.mark.parametrize("name", ["fine", "coarse"])
def test_a_right_network_scores_one_in_each_sets_own_classes(
    name: str, open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    dataset = open_set(name)
    found = evaluate(ByColor(), dataset, tree, accelerator=Accelerator(cpu=True), size=20)
    assert found.scores.mean_iou == 1
    assert found.scores.pixel_accuracy == 1
    expected = {"fine": ("background", "left", "right"), "coarse": ("background", "thing")}
    assert found.classes == expected[name]
    assert found.pictures == len(dataset)


def test_void_pixels_are_never_scored_and_all_others_once(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    found = evaluate(ByColor(), open_set("fine"), tree, accelerator=Accelerator(cpu=True), size=20)
    assert int(found.confusion.sum()) == 5 * (20 * 24 - 1)


def test_the_network_sees_the_shorter_side_at_size_or_the_centre_square(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    whole, square = ByColor(), ByColor()
    accelerator = Accelerator(cpu=True)
    evaluate(whole, open_set("fine"), tree, accelerator=accelerator, size=10)
    evaluate(square, open_set("fine"), tree, accelerator=accelerator, size=10, crop=True)
    assert set(whole.sizes) == {(10, 12)}
    assert set(square.sizes) == {(10, 10)}


def test_pictures_of_different_sizes_are_scored_at_their_own(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    small = np.zeros((9, 31), dtype=np.uint8)
    small[:, 20:] = 1
    Image.fromarray(COLORS[small]).save(project / "fine_data" / "11.png")
    Image.fromarray(small).save(project / "fine_data" / "11_ids.png")
    dataset = SegmentationDataset(
        DatasetSpec.from_file(project / "fine.yaml"), "val", root=project / "fine_data"
    )
    network = ByColor()
    found = evaluate(
        network,
        dataset,
        Ontology.from_file(project / "tiny.txt"),
        accelerator=Accelerator(cpu=True),
        size=20,
    )
    assert network.sizes == [(20, 24), (20, 69), (20, 24)]
    assert found.scores.pixel_accuracy > 0.99


def test_scoring_leaves_the_networks_mode_as_it_was(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    network = ByColor().train()
    evaluate(network, open_set("coarse"), tree, accelerator=Accelerator(cpu=True), size=20)
    assert network.training


def test_the_table_and_the_json_show_the_same_numbers(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    found = evaluate(ByColor(), open_set("fine"), tree, accelerator=Accelerator(cpu=True), size=20)
    table = found.table().splitlines()
    assert table[0] == "fine, val: 5 pictures"
    assert [" ".join(line.split()) for line in table[2:]] == [
        "IoU prec. recall",
        *(f"{name} 100.00 100.00 100.00" for name in ("background", "left", "right")),
        table[1],
        "mean IoU (3 of 3 classes) 100.00 [100.00, 100.00]",
        "mean IoU at depth 1 (2 groups) 100.00 [100.00, 100.00]",
        "mean IoU at depth 2 (3 groups) 100.00 [100.00, 100.00]",
        "mean IoU of large parts (3 classes) 100.00",
        "mean IoU per picture 100.00",
        "frequency-weighted IoU 100.00",
        "pixel accuracy 100.00",
        "hierarchical F 100.00",
        "height of mistakes (levels) -",
        f"calibration error {100 * found.calibration_error:.2f}",
        "not scored: small, medium parts (none in the labels)",
    ]
    values: dict[str, Any] = dict(found.to_dict())
    assert values.pop("calibration_error") == found.calibration_error < 0.01  # as sure as right
    assert values.pop("loss_by_depth") == list(found.loss_by_depth)
    assert max(found.loss_by_depth) < 0.01
    assert values == {
        "split": "val",
        "pictures": 5,
        "mean_iou": 1.0,
        "pixel_accuracy": 1.0,
        "frequency_weighted_iou": 1.0,
        "mean_iou_interval": [1.0, 1.0],
        "boundary": None,
        "iou": {"background": 1.0, "left": 1.0, "right": 1.0},
        "depths": [
            {
                "depth": depth,
                "mean_iou": 1.0,
                "iou": dict.fromkeys(groups, 1.0),
                "frequency_weighted_iou": 1.0,
                "mean_iou_interval": [1.0, 1.0],
            }
            for depth, groups in enumerate((["background", "thing"], found.classes), 1)
        ],
        "mistakes": {"lca_height": None, "precision": 1.0, "recall": 1.0, "f": 1.0},
        "left_out": {},
        "skipped": {},
    }


def test_left_out_classes_are_neither_predicted_nor_scored(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    truth = np.zeros((20, 20), dtype=np.uint8)  # 100 pixels of background
    truth[:, 5:10] = 1  # 100 of left
    truth[:, 10:] = 2  # 200 of right
    seen = truth.copy()
    seen[:2, :5] = 2  # the network takes 10 pixels of background for right,
    seen[:3, 10:] = 0  # 30 of right for background,
    seen[3:7, 10:] = 1  # and 40 of right for left, which it cannot answer
    for number in range(10, 15):
        Image.fromarray(truth).save(project / "fine_data" / f"{number}_ids.png")
        Image.fromarray(COLORS[seen]).save(project / "fine_data" / f"{number}.png")
    dataset = SegmentationDataset(
        DatasetSpec.from_file(project / "fine.yaml"), "val", root=project / "fine_data"
    )
    tree = Ontology.from_file(project / "tiny.txt")
    found = evaluate(
        ByColor(),
        dataset,
        tree,
        accelerator=Accelerator(cpu=True),
        size=20,
        classes=without(tree, dataset, left="only as thing"),
    )
    # Where it sees left it sees a thing, so right: 90 of background and 170 of right are right.
    assert found.classes == ("background", "right")
    assert found.scores.iou.tolist() == pytest.approx([90 / 130, 170 / 210])
    assert found.scores.mean_iou == pytest.approx((90 / 130 + 170 / 210) / 2)
    assert found.scores.pixel_accuracy == pytest.approx(260 / 300)
    assert found.to_dict()["left_out"] == {"left": "only as thing"}
    assert "left" not in str(found.to_dict()["iou"])
    lines = found.table().splitlines()
    assert lines[-3].startswith("calibration error")
    assert lines[-2] == "left out: left, only as thing"
    assert "mean IoU (2 of 2 classes)" in found.table()


def test_a_class_that_is_scored_alone_is_said_to_prove_nothing(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    dataset = open_set("coarse")
    found = evaluate(
        ByColor(),
        dataset,
        tree,
        accelerator=Accelerator(cpu=True),
        size=20,
        classes=without(tree, dataset, thing="no trained set labels it"),
    )
    assert found.is_alone
    last = found.table().splitlines()[-1]
    assert last == "background is scored alone, so that every answer is right"
    (mean,) = (line for line in found.table().splitlines() if line.startswith("mean IoU (0 of 1"))
    assert mean.endswith(" -")
    saved = found.saved()
    assert (saved.mean_iou, saved.pixel_accuracy, saved.mistakes["f"]) == (None, None, None)
    assert (saved.iou, saved.worst, saved.best) == ({"background": None}, (), ())
    assert (saved.calibration_error, saved.mean_iou_interval, saved.by_size) == (None, None, ())
    assert saved.mean_iou_per_picture is None
    assert saved.precision == saved.recall == {"background": None}


def test_a_depth_of_one_group_is_named_below_the_table_without_a_row(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    dataset = open_set("coarse")
    one, two = depth_groups(tree, dataset.spec)
    alone = dataclasses.replace(
        one, groups=("thing",), masks=one.masks[1:], group_of=np.array([1, 0])
    )
    accelerator = Accelerator(cpu=True)
    found = evaluate(
        ByColor(), dataset, tree, accelerator=accelerator, size=20, groups=(alone, two)
    )
    assert "mean IoU at depth" not in found.table()  # nor does a class of the set lie at depth 2
    assert found.table().splitlines()[-1] == (
        "not scored: depths 1, 2 (no two groups to tell apart); "
        "small, medium parts (none in the labels)"
    )
    assert found.saved().depths[0].mean_iou is None
    assert found.saved().depths[0].frequency_weighted_iou is None


def wrong_halves(project: Path) -> None:
    """Let the network take the left half of every box in the scored pictures for the right one."""
    for number in range(10, 15):
        ids = np.asarray(Image.open(project / "fine_data" / f"{number}_ids.png")).copy()
        ids[ids == 255] = 0
        ids[ids == 1] = 2
        Image.fromarray(COLORS[ids]).save(project / "fine_data" / f"{number}.png")


def test_mistakes_within_a_parent_cost_nothing_above_it(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    wrong_halves(project)
    dataset = SegmentationDataset(
        DatasetSpec.from_file(project / "fine.yaml"), "val", root=project / "fine_data"
    )
    tree = Ontology.from_file(project / "tiny.txt")
    found = evaluate(ByColor(), dataset, tree, accelerator=Accelerator(cpu=True), size=20)
    box, whole = 12 * 7, 20 * 24 - 1  # pixels of each half, and labelled ones
    assert found.scores.pixel_accuracy == pytest.approx(1 - box / whole)
    assert [one.scores.mean_iou for one in found.depths] == [1.0, pytest.approx((1 + 0.5) / 3)]
    assert found.mistakes.lca_height == 1
    things, claimed = 2 * box, (whole - 2 * box) + 2 * 2 * box  # a thing's half is two nodes
    assert found.mistakes.precision == pytest.approx((claimed - box) / claimed)
    assert found.mistakes.recall == found.mistakes.precision
    assert found.details()["confusion"] == {
        "classes": ["background", "left", "right"],
        "counts": [[5 * (whole - things), 0, 0], [0, 0, 5 * box], [0, 0, 5 * box]],
    }


def test_the_worst_and_the_best_pictures_are_named(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    ids = np.asarray(Image.open(project / "fine_data" / "12_ids.png")).copy()
    ids[ids == 255] = 0
    Image.fromarray(COLORS[np.where(ids == 1, 2, ids)]).save(project / "fine_data" / "12.png")
    Image.fromarray(COLORS[ids * 0]).save(project / "fine_data" / "14.png")
    dataset = SegmentationDataset(
        DatasetSpec.from_file(project / "fine.yaml"), "val", root=project / "fine_data"
    )
    tree = Ontology.from_file(project / "tiny.txt")
    found = evaluate(ByColor(), dataset, tree, accelerator=Accelerator(cpu=True), size=20)
    whole, box = 20 * 24 - 1, 12 * 7
    worst = [
        {"number": 4, "picture": "14.png", "mean_iou": pytest.approx((1 - 2 * box / whole) / 3)},
        {"number": 2, "picture": "12.png", "mean_iou": pytest.approx(0.5)},
    ]
    details: dict[str, Any] = dict(found.details())
    assert details["worst"] == worst
    assert [one["number"] for one in details["best"]] == [3, 1]  # none is named twice


def test_answers_are_kept_for_the_pictures_asked_for(
    open_set: Callable[[str], SegmentationDataset], tree: Ontology
) -> None:
    dataset = open_set("fine")
    found = evaluate(
        ByColor(), dataset, tree, accelerator=Accelerator(cpu=True), size=20, keep=[1, 3]
    )
    assert set(found.kept) == {1, 3}
    truth = dataset[3].classes.numpy()
    assert (found.kept[3].truth == truth).all()
    assert (found.kept[3].answer == np.where(truth == 3, 0, truth)).all()  # void is never answered
