"""Runs of several trees that begin as another run's network, of one tree or of several."""

import json
from pathlib import Path

import pytest
import torch

from harmonize import HarmonizeError, Ontology
from harmonize.labels.lineage import Lineage, find_lineages
from harmonize.pipeline.train import train
from harmonize.runs.opened import open_run
from test_start_from import at_start
from tiny import TREE, tiny_config
from two_trees import MATERIAL, two_trees_config, write_two_trees

TINY = Ontology(TREE, name="tiny")
STUFF = Ontology(MATERIAL, name="material")
SPLIT = "hard\n\tstone\n\tmetal\n\t\tiron\n\t\tzinc\nsoft\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_trees(tmp_path_factory.mktemp("starting"))


def kinds(found: Lineage) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(origin.leaf, origin.kind, origin.sources) for origin in found.origins]


def test_a_tree_beside_the_old_one_begins_with_alike_leaves() -> None:
    found = find_lineages([TINY], [TINY, STUFF])
    old = ("background", "left", "right")
    assert kinds(found) == [
        *((leaf, "kept", (leaf,)) for leaf in old),
        *((leaf, "new tree", old) for leaf in ("stone", "metal", "soft")),
    ]
    third = pytest.approx([1 / 3] * 3)
    assert found.matrix().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], third, third, third]
    assert found.offsets().tolist() == [0] * 6
    assert not found.is_identity
    assert "stone  new tree  as probable as the other leaves of its tree" in found.table()


def test_leaves_come_from_their_own_tree_alone() -> None:
    new = Ontology(f"{MATERIAL}@was soft cloth\nliquid\n", name="material")
    old = Ontology(MATERIAL.replace("soft", "cloth"), name="material")
    found = find_lineages([TINY, old], [TINY, new])
    assert kinds(found)[3:] == [
        ("stone", "kept", ("stone",)),
        ("metal", "kept", ("metal",)),
        ("soft", "renamed", ("cloth",)),
        ("liquid", "new", ("stone", "metal", "cloth")),
    ]
    assert find_lineages([TINY, STUFF], [TINY, STUFF]).is_identity
    assert not find_lineages([TINY, STUFF], [STUFF, TINY]).is_identity  # channels change places


def test_one_of_the_old_trees_is_enough() -> None:
    found = find_lineages([TINY, STUFF], [STUFF])
    assert kinds(found) == [(leaf, "kept", (leaf,)) for leaf in ("stone", "metal", "soft")]
    assert found.dropped == ("background", "left", "right")
    whole = Ontology(f"{TREE}{MATERIAL}", name="whole")
    assert {kind for _, kind, _ in kinds(find_lineages([TINY, STUFF], [whole]))} == {"kept"}


def test_trees_without_a_common_node_are_refused() -> None:
    with pytest.raises(HarmonizeError, match="no node in common"):
        find_lineages([Ontology("x\ny\n", name="other")], [TINY, STUFF])


def test_a_second_tree_is_added_to_a_network(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(tiny_config(project, project / "one", "train.steps=2"), name="x")
    config = two_trees_config(project, f"train.start_from={first}", output="added")
    network = at_start(config, monkeypatch).learner.network.eval()
    pictures = torch.rand(2, 3, 20, 24) * 255
    with torch.no_grad():
        before, after = open_run(first).network()(pictures), network(pictures)
    assert torch.allclose(after[:, :3], before, atol=1e-5)
    assert torch.allclose(after[:, 3:].softmax(1), torch.full((2, 3, 20, 24), 1 / 3), atol=1e-5)


def test_a_leaf_of_one_tree_is_split(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(two_trees_config(project, "train.steps=2", output="two"), name="x")
    (project / "split").mkdir()
    (project / "split" / "material.txt").write_text(SPLIT)
    trees = [str(project / "tiny.txt"), str(project / "split" / "material.txt")]
    config = two_trees_config(
        project, f"train.start_from={first}", output="three", ontologies=trees
    )
    network = at_start(config, monkeypatch).learner.network.eval()
    pictures = torch.rand(2, 3, 20, 24) * 255
    with torch.no_grad():
        before, after = open_run(first, several="any").network()(pictures), network(pictures)
    assert torch.allclose(after[:, :3], before[:, :3], atol=1e-5)
    old, new = before[:, 3:].softmax(1), after[:, 3:].softmax(1)
    assert torch.allclose(new[:, 1:3].sum(1), old[:, 1], atol=1e-5)
    assert torch.allclose(new[:, [0, 3]], old[:, [0, 2]], atol=1e-5)
    ancestry = json.loads((project / "three" / "ancestry.json").read_text())
    assert [one["kind"] for one in ancestry["leaves"]] == ["kept"] * 4 + ["split"] * 2 + ["kept"]
