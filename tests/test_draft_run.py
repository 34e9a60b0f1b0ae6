"""Proposals from what a trained network sees in the classes."""

from pathlib import Path

import pytest
import torch

from folder_cases import draft, write_scene
from harmonize import HarmonizeError, Ontology
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pipeline.train import train
from harmonize.tools.draft.by_name import Proposal
from harmonize.tools.draft.by_network import (
    GOOD,
    choose_leaves,
    explain,
    left_out,
    propose,
    table,
    with_unseen,
)
from harmonize.tools.draft.draft_classes import ClassDraft
from harmonize.tools.draft.new_mapping import new_mapping
from harmonize.tools.draft.overlap import LeafPredictor, predict_leaves
from tiny import tiny_config, write_project

TREE = "background\nperson\n\tface\n\t\tskin\n\t\tnose\n\t\tlip\n\thair\nhat\n"


@pytest.fixture(scope="module")
def tree() -> Ontology:
    return Ontology(TREE, name="small")  # leaves: background skin nose lip hair hat


def drafted(name: str, *, void: str = "") -> ClassDraft:
    return ClassDraft(name, 0, "", named=True, void=void)


def test_each_leaf_goes_to_the_class_that_most_of_it_lies_in() -> None:
    counts = torch.tensor([[90, 10, 0], [5, 80, 30]])
    assert choose_leaves(counts).tolist() == [[True, False, False], [False, True, True]]


def test_a_leaf_that_lowers_the_iou_is_left_out() -> None:
    # Class 0 is leaf 0 exactly; most of leaf 1 lies in it too, but far more lies elsewhere.
    counts = torch.tensor([[100, 4, 0], [0, 3, 50], [0, 3, 50]])
    assert choose_leaves(counts)[0].tolist() == [True, False, False]


def test_the_leaves_chosen_have_the_best_iou_of_all_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        counts = torch.randint(1, 100, (3, 5), generator=generator)
        chosen = choose_leaves(counts)
        owner = counts.argmax(0)
        for number in range(3):
            mine = torch.nonzero(owner == number).flatten().tolist()
            sets = [
                [k for b, k in enumerate(mine) if bits >> b & 1] for bits in range(1 << len(mine))
            ]
            best = max(iou(counts, number, leaves) for leaves in sets)
            assert iou(counts, number, chosen[number].nonzero().flatten().tolist()) == best


def iou(counts: torch.Tensor, number: int, leaves: list[int]) -> float:
    right = counts[number, leaves].sum().item()
    return right / (counts[number].sum().item() + counts[:, leaves].sum().item() - right)


def test_unseen_leaves_join_the_parent_whose_seen_leaves_one_class_took(tree: Ontology) -> None:
    # skin and lip are of class 1, the nose is never predicted, nor is the hat.
    counts = torch.tensor([[100, 0, 0, 0, 0, 0], [0, 80, 0, 9, 0, 0], [0, 0, 0, 0, 50, 0]])
    full = with_unseen(choose_leaves(counts), counts, tree)
    assert [tree.describe(mask.numpy()) for mask in full] == [("background",), ("face",), ("hair",)]


def test_unseen_leaves_join_none_where_two_classes_share_the_parent(tree: Ontology) -> None:
    counts = torch.tensor([[100, 0, 0, 9, 0, 0], [0, 80, 0, 0, 0, 0]])
    full = with_unseen(choose_leaves(counts), counts, tree)
    assert not full[:, 2].any()


def test_figures_are_those_counted_by_hand(tree: Ontology) -> None:
    counts = torch.tensor([[60, 20, 0, 0, 0, 0], [0, 60, 0, 0, 60, 0]])
    first, second = explain(counts, tree)
    assert (first.nodes, first.iou, first.precision, first.recall) == (
        ("background",),
        0.75,
        1,
        0.75,
    )
    assert (second.iou, second.precision, second.recall, second.share) == (
        120 / 140,
        120 / 140,
        1.0,
        0.6,
    )
    assert first.seen == (("background", 0.75), ("skin", 0.25))


def test_proposals_prefer_the_overlap_and_mention_the_name(tree: Ontology) -> None:
    counts = torch.tensor([[100, 0, 0, 0, 0, 0], [0, 80, 80, 80, 9, 0], [5, 3, 0, 0, 0, 0]])
    classes = [drafted("background"), drafted("skin"), drafted("hat")]
    names = {
        "background": Proposal(("background",), "guess"),
        "skin": Proposal(("skin",), "guess"),
        "hat": Proposal(("TODO",), ""),
    }
    found = explain(counts, tree)
    meaning = propose(found, classes, names)
    assert meaning["background"].nodes == ("background",)
    assert meaning["background"].note == "run: IoU 0.95, precision 0.95, recall 1.00"
    assert meaning["skin"].nodes == ("person",)
    assert meaning["skin"].note.endswith("; by its name: skin")
    assert found[2].iou < GOOD
    assert meaning["hat"].is_open
    assert meaning["hat"].note == "run sees in it: background 62 %, skin 38 %"
    drawn = table(found, classes, meaning).splitlines()
    assert drawn[0].split()[:2] == ["class", "nodes"]
    assert drawn[3].endswith("TODO")
    assert left_out(found, classes, counts, tree) == [
        "TODO: no class has hat (never predicted); add them where they belong."
    ]


def test_a_void_class_is_not_asked_about() -> None:
    names = {"void": Proposal(("ignore",), "guess: its name says so")}
    classes = [drafted("void", void="its name says so")]
    assert propose([None], classes, names) == names
    assert "ignore" in table([None], classes, names)


def test_predicted_leaves_have_the_size_of_the_label(tree: Ontology) -> None:
    class Brightness(torch.nn.Module):
        """Predicts the last of 20 leaves where the first channel is bright."""

        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(1, 20, *pictures.shape[2:])
            logits[:, 19], logits[:, 2] = (pictures[:, 0] / 255 - 0.5) * self.scale, 0.1
            return logits

    picture = torch.zeros(3, 12, 20, dtype=torch.uint8)
    picture[:, :, 10:] = 255
    network = LeafPredictor(Brightness(), tree, size=6, workers=0)
    with torch.inference_mode():
        leaves = predict_leaves(network, picture, torch.Size((12, 20)))
    assert leaves.shape == (12, 20)
    assert leaves[:, :8].unique().tolist() == [2]
    assert leaves[:, 12:].unique().tolist() == [19]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("run"))
    train(tiny_config(folder, folder / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    return folder


def test_a_run_explains_the_classes_of_a_new_set(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    new_mapping(project / "coarse_data", run=project / "run", name="new")
    spec = DatasetSpec.from_file(project / "new.yaml")
    assert list(spec.meaning) == ["tiny"]
    text = (project / "new.yaml").read_text()
    assert "# run: IoU 0." in text
    printed = capsys.readouterr().out
    assert printed.startswith("class ")
    assert "new: 12 pictures with labels" in printed
    assert "background" in spec.meaning["tiny"]["class_0"]


@pytest.mark.parametrize(
    ("run", "tree_", "message"),
    [
        ("none", None, "none: no such run folder"),
        ("fine_data", None, "fine_data: holds no last checkpoint; is it a run folder?"),
        ("run", "trees/voc.txt", "not the tree of the run, tiny; leave it out"),
    ],
)
def test_a_run_that_cannot_be_asked_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, run: str, tree_: str | None, message: str
) -> None:
    monkeypatch.chdir(project)
    given = None if tree_ is None else Path(tree_)
    with pytest.raises(HarmonizeError, match=message):
        new_mapping(project / "coarse_data", run=Path(run), tree=given, name="refused")
    assert not (project / "refused.yaml").exists()


def test_without_a_run_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(tmp_path / "set")
    draft(tmp_path / "set", monkeypatch)
    assert "run:" not in (tmp_path / "set.yaml").read_text()
