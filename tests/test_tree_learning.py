"""Trees learned from what a network confuses, and trees scored by it."""

from pathlib import Path

import numpy as np
import pytest

from harmonize import cli
from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.pipeline.train import train
from harmonize.tools.tree_learning.clustering import distances, learn_tree, tree_lines
from harmonize.tools.tree_learning.evidence import Evidence
from harmonize.tools.tree_learning.tree_score import score_tree
from tiny import tiny_config, write_project
from warned import warn_anew

TRUE = """
animal
	cat
	dog
	cow
vehicle
	car
	truck
	bus
nature
	plant
		tree
		bush
	ground
		grass
		sand
sky
"""


def evidence(tree: Ontology, *, seed: int = 0, unseen: tuple[str, ...] = ()) -> Evidence:
    """Make up a network whose mistakes fall off with the height at which they meet the truth."""
    rng = np.random.default_rng(seed)
    groups = tree.group_index
    together = (groups[:, :, None] == groups[:, None, :]).sum(0) - 1
    height = tree.depth - together
    prior = rng.uniform(0.2, 5, len(tree.leaves))  # some leaves are answered often
    logs = -2.0 * height + np.log(prior) + 0.2 * rng.normal(size=height.shape)
    p = np.exp(logs)
    p /= p.sum(1, keepdims=True)
    pixels = np.full(len(tree.leaves), 1000.0)
    for leaf in unseen:
        pixels[tree.leaves.index(leaf)] = 0
        p[tree.leaves.index(leaf)] = 0
    return Evidence(tree.leaves, pixels, p, np.log(p + 1e-12))


def shuffled(tree: Ontology, seed: int) -> Ontology:
    """Return the leaves in another order, without any group."""
    names = np.random.default_rng(seed).permutation(tree.leaves)
    return Ontology("\n".join(names) + "\n", name="flat")


def reordered(found: Evidence, leaves: tuple[str, ...]) -> Evidence:
    order = [found.leaves.index(leaf) for leaf in leaves]
    pairs = np.ix_(order, order)
    return Evidence(
        leaves, found.pixels[order], found.probabilities[pairs], found.logarithms[pairs]
    )


def sets(tree: Ontology) -> set[frozenset[str]]:
    """Return the leaves of each node that has several."""
    names = np.array(tree.leaves)
    found = {frozenset(names[tree.leaf_mask(node)].tolist()) for node in tree.nodes}
    return {one for one in found if len(one) > 1}


@pytest.mark.parametrize("seed", range(3))
def test_the_tree_behind_the_mistakes_is_found_whatever_the_order_of_leaves(seed: int) -> None:
    true = Ontology(TRUE, name="true")
    flat = shuffled(true, seed)
    nodes = learn_tree(reordered(evidence(true, seed=seed), flat.leaves), flat, 4)
    learned = Ontology("\n".join(tree_lines(nodes)) + "\n", name="learned")
    assert set(learned.leaves) == set(true.leaves)
    assert learned.depth <= 4
    assert sets(true) - {frozenset(true.leaves)} <= sets(learned)
    named = learn_tree(reordered(evidence(true, seed=seed), true.leaves), true, 4)
    assert {"animal", "vehicle", "plant", "ground"} <= set(
        Ontology("\n".join(tree_lines(named)) + "\n", name="x").nodes
    )


def test_two_depths_are_one_level_of_groups_named_after_their_leaves() -> None:
    true = Ontology(TRUE, name="true")
    flat = Ontology("\n".join(true.leaves) + "\n", name="flat")
    learned = Ontology(
        "\n".join(tree_lines(learn_tree(evidence(true), flat, 2))) + "\n", name="learned"
    )
    assert learned.depth == 2
    assert "tree_or_bush_or_2_more" in learned.nodes
    assert frozenset({"tree", "bush", "grass", "sand"}) in sets(learned)


def test_given_nodes_are_kept_and_filled() -> None:
    true = Ontology(TRUE, name="true")
    given = Ontology(
        "odd\n\tcat\n\tcar\n\tdog\nrest\n\tcow\n\ttruck\n\tbus\n\ttree\n\tbush\n\tgrass\n\tsand\nsky\n",
        name="given",
    )
    found = reordered(evidence(true), given.leaves)
    nodes = learn_tree(found, given, 3, given)
    learned = Ontology("\n".join(tree_lines(nodes)) + "\n", name="learned")
    assert {"odd", "rest", "sky"} <= set(learned.nodes)
    assert sets(given) <= sets(learned)
    assert frozenset({"cat", "dog"}) in sets(learned)
    assert frozenset({"truck", "bus"}) in sets(learned)


def test_leaves_without_pixels_lie_apart_from_all() -> None:
    true = Ontology(TRUE, name="true")
    found = evidence(true, unseen=("sand",))
    between = distances(found)
    sand = true.leaves.index("sand")
    assert (np.delete(between[sand], sand) == between.max()).all()
    assert between == pytest.approx(between.T)
    assert (np.diag(between) == 0).all()


def test_the_true_tree_fits_better_than_random_ones_and_a_random_one_does_not() -> None:
    true = Ontology(TRUE, name="true")
    found = evidence(true)
    score = score_tree(found, true)
    assert score.p_value == pytest.approx(1 / 2001)
    assert score.height < score.random - 0.2
    assert score.separable == tuple(sorted(score.separable, reverse=True))
    random = Ontology(_relabelled(true, 7), name="random")
    assert score_tree(found, random).p_value > 0.05


def _relabelled(tree: Ontology, seed: int) -> str:
    names = iter(np.random.default_rng(seed).permutation(tree.leaves).tolist())
    lines = [line for line in tree.text.splitlines() if line]
    leaves = set(tree.leaves)
    return "".join(
        f"{line[: len(line) - len(line.strip())]}{next(names)}\n"
        if line.strip() in leaves
        else f"{line}\n"
        for line in lines
    )


def test_the_height_of_mistakes_is_as_counted_by_hand() -> None:
    tree = Ontology("g\n\ta\n\tb\nc\n", name="t")
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    found = Evidence(tree.leaves, np.full(3, 100.0), p, np.log(p))
    score = score_tree(found, tree)
    # Of a mistake on a, 2/3 goes to b (height 1 of 2) and 1/3 to c (2 of 2); on b half and half.
    assert score.height == pytest.approx(np.mean([(2 / 3 + 2 / 3) / 2, 1.5 / 2, 1]))
    assert score.separable == pytest.approx((np.mean([0.9, 0.9, 0.8]), np.mean([0.7, 0.8, 0.8])))
    with pytest.raises(HarmonizeError, match=r"flat: every mistake is as high as any other"):
        score_tree(found, Ontology("a\nb\nc\n", name="flat"))
    with pytest.raises(HarmonizeError, match=r"o: its leaves are not .* it lacks b, c and has d"):
        score_tree(found, Ontology("a\nd\n", name="o"))


def test_a_tree_is_learned_from_a_run_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path)
    run = str(train(tiny_config(project, project / "run"), name="tiny"))
    capsys.readouterr()
    target = project / "learned.txt"
    assert cli.main(["learn-tree", run, "-o", str(target)]) == 0
    said = capsys.readouterr().out
    learned = Ontology.from_file(target)
    assert set(learned.leaves) == {"background", "left", "right"}
    assert learned.mirror_declared == {"left", "right"}
    assert "learned.txt\nheight of mistakes" in said
    assert f"{target} is written" in said
    assert cli.main(["tree-score", run, str(target), "--dataset", "fine"]) == 0
    assert "p-value" in capsys.readouterr().out
    assert cli.main(["learn-tree", run, "-o", str(target)]) == 0  # its own file is replaced
    capsys.readouterr()
    (project / "fine_data" / "12.png").write_bytes(b"no picture")
    warn_anew(monkeypatch)
    assert cli.main(["tree-score", run, str(target), "--dataset", "fine"]) == 0
    assert "warning: left out: " in capsys.readouterr().err
    (project / "mine.txt").write_text("mine\n")
    wrong = {
        ("-o", str(project / "mine.txt")): "mine.txt: is there already, and not from this command",
        ("-o", str(target), "--depths", "1"): "--depths 1: a tree with groups has 2 or more",
        ("-o", str(target), "--dataset", "coarse"): "the labels of coarse mean fewer than three",
        ("-o", str(target), "--constrain", str(project / "mine.txt")): "--constrain: its leaves",
        ("-o", str(target), "--depths", "2", "--constrain", str(project / "tiny.txt")): (
            "--depths 2: the given tree has 2 already; say --depths 3"
        ),
    }
    for words, expected in wrong.items():
        with pytest.raises(SystemExit) as caught:
            cli.main(["learn-tree", run, *words])
        assert caught.value.code == 2
        assert expected in capsys.readouterr().err


WORDS = """
thing
	creature
		cat
		dog
			puppy
		cow
		unicorn
	transport
		car
		truck
		bus
		tram
	garden
		tree
		grass
"""


def test_new_groups_are_called_by_a_list_of_words_where_one_fits() -> None:
    """Other words below a node do not matter; leaves that it lacks or has beside them do."""
    tree = Ontology(TRUE, name="true")
    flat = shuffled(tree, 0)
    words = Ontology(WORDS, name="words")
    found = reordered(evidence(tree), flat.leaves)
    text = "\n".join(tree_lines(learn_tree(found, flat, 3, words=words)))
    learned = Ontology(text + "\n", name="learned")
    assert {"creature", "transport"} <= set(learned.nodes)
    assert {*learned.children("creature")} == {"cat", "dog", "cow"}
    assert {*learned.children("transport")} == {"car", "truck", "bus"}
    assert "garden" not in learned.nodes
    assert "thing" not in learned.nodes
