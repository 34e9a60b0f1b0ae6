"""Several trees learned of the same pictures, each with its own channels, loss, scores, answers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import DatasetSpec, HarmonizeError, HierarchicalLoss, Ontology, TargetSpace, cli
from harmonize.config.loss_config import LossConfig
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, dump
from harmonize.labels.joined import join_meanings, join_trees
from harmonize.labels.sources import load_sources
from harmonize.loss.build_loss import build_losses
from harmonize.loss.several import SeveralLosses
from harmonize.pipeline.train import train
from harmonize.runs.opened import open_run
from tiny import tiny_values
from two_trees import read_trees, two_trees_config, write_two_trees


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_trees(tmp_path_factory.mktemp("ontologies"))


@pytest.fixture(scope="module")
def run(project: Path) -> Path:
    return train(two_trees_config(project), name="tiny")


def test_trees_are_joined_leaf_after_leaf_and_keep_their_mirror_images(project: Path) -> None:
    joined = join_trees(read_trees(project))
    assert joined.name == "tiny+material"
    assert joined.leaves == ("background", "left", "right", "stone", "metal", "soft")
    assert joined.mirror.tolist() == [0, 2, 1, 3, 4, 5]
    assert [joined.depth_of(leaf) for leaf in joined.leaves] == [1, 2, 2, 2, 2, 1]


def test_a_class_means_nodes_of_all_trees(project: Path) -> None:
    trees = read_trees(project)
    joined = join_trees(trees)
    spec = join_meanings(DatasetSpec.from_file(project / "fine.yaml"), trees, joined)
    assert spec.leaf_masks(joined).astype(int).tolist() == [
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    coarse = join_meanings(DatasetSpec.from_file(project / "coarse.yaml"), trees, joined)
    assert coarse.leaf_masks(joined)[:, 3:].sum() == 0


def test_the_loss_is_the_weighted_sum_of_each_trees_own_mean(project: Path) -> None:
    sources = load_sources(two_trees_config(project), several=True)
    (scene, its), (material, other) = sources.of_trees
    assert (scene, material) == (slice(0, 3), slice(3, 6))
    assert other.trained_names == ("fine",)
    losses = [HierarchicalLoss(one.space) for one in (its, other)]
    loss = build_losses(sources, LossConfig(ontology_weights=(1.0, 0.5)))
    torch.manual_seed(0)
    logits = torch.randn(2, 6, 1, 4, requires_grad=True)
    classes = np.array([[0, 1, 2, 3], [2, 2, 1, 1]])
    fine = torch.from_numpy(sources.space.class_codes("fine")[classes])[:, None]
    # in the first tree 7 pixels are labelled, in the second 4: the left has no material
    assert loss.count_labelled(fine).tolist() == [[3, 4], [2, 2]]
    assert isinstance(loss, SeveralLosses)
    terms = loss.terms(logits, fine, scale=torch.tensor([1 / 7, 1 / 4]))
    own = torch.from_numpy(its.space.class_codes("fine")[classes])[:, None]
    stuff = torch.from_numpy(other.space.class_codes("fine")[classes])[:, None]
    expected = losses[0](logits[:, :3], own) + 0.5 * losses[1](logits[:, 3:], stuff)
    assert terms.loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert loss(logits, fine).item() == pytest.approx(expected.item(), abs=1e-6)
    got = torch.autograd.grad(terms.loss, logits, retain_graph=True)[0]
    assert torch.allclose(got, torch.autograd.grad(expected, logits)[0], atol=1e-6)
    assert terms.labelled.tolist() == [3, 4]
    # background: two trees' depths 1; left: depths 1, 2 of the first; right: these, and hard
    assert terms.resolved.tolist() == [[3, 3, 2, 1], [4, 4, 2, 0]]
    assert terms.by_depth.shape == (2, 4)


def test_a_set_that_says_nothing_of_a_tree_does_not_change_its_loss(project: Path) -> None:
    sources = load_sources(two_trees_config(project), several=True)
    loss = build_losses(sources, LossConfig())
    assert isinstance(loss, SeveralLosses)
    codes = torch.from_numpy(sources.space.class_codes("coarse"))[None, None]
    logits = torch.randn(1, 6, 1, 2, requires_grad=True)
    assert loss.count_labelled(codes).tolist() == [[2], [0]]
    terms = loss.terms(logits, codes, scale=torch.ones(2))
    terms.loss.backward()
    assert logits.grad is not None
    assert (logits.grad[:, 3:] == 0).all()
    assert (logits.grad[:, :3] != 0).all()


def test_each_tree_is_scored_by_its_own_channels(run: Path, project: Path) -> None:
    found = json.loads((run / "evaluation.json").read_text())["datasets"]
    assert list(found) == ["fine:tiny", "coarse:tiny", "fine:material"]
    assert list(found["fine:tiny"]["iou"]) == ["background", "left", "right"]
    # the left has no material: it is void there
    assert list(found["fine:material"]["iou"]) == ["background", "right"]
    counts = np.array(found["fine:material"]["confusion"]["counts"]).sum()
    whole = np.array(found["fine:tiny"]["confusion"]["counts"]).sum()
    left = sum(
        int((np.asarray(Image.open(project / "fine_data" / f"{n}_ids.png")) == 1).sum())
        for n in range(10, 15)
    )
    assert counts == whole - left
    again = project / "again.json"
    assert cli.main(["evaluate", str(run), "--json", str(again)]) == 0
    assert json.loads(again.read_text())["datasets"] == found


def test_each_tree_is_answered_in_its_own_folder(run: Path, project: Path, tmp_path: Path) -> None:
    picture = str(project / "fine_data" / "10.png")
    words = ["predict", str(run), picture, "--no-overlay", "-o", str(tmp_path / "out")]
    assert cli.main(words) == 0
    leaves = {"tiny": ("background", "left", "right"), "material": ("stone|metal", "soft")}
    for tree in leaves:
        legend = json.loads((tmp_path / "out" / tree / "legend.json").read_text())
        assert legend["ontology"] == tree
    opened = open_run(run, several="any")
    seen = torch.from_numpy(np.array(Image.open(picture))).permute(2, 0, 1)[None].float()
    whole = opened.network()(seen)
    assert torch.equal(opened.of_tree("tiny").network()(seen), whole[:, :3])
    assert torch.equal(opened.of_tree("material").network()(seen), whole[:, 3:])
    one = ["predict", str(run), picture, "--ontology", "material", "-o", str(tmp_path / "one")]
    assert cli.main([*one, "--no-overlay"]) == 0
    name = "10.png"
    alone = (tmp_path / "one" / name).read_bytes()
    assert alone == (tmp_path / "out" / "material" / name).read_bytes()


def test_a_run_of_several_trees_goes_on_where_it_was(project: Path) -> None:
    steps = ("train.steps=3", "optim.schedule=constant")
    first = train(two_trees_config(project, *steps, output="half"), name="x")
    assert open_run(first, several="any").trees == ("tiny", "material")
    on = two_trees_config(project, *steps, "train.resume=true", output="half")
    assert train(on, name="x") == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["calibrate", "--unlabelled", "x.png"],
            "has several trees, and this is about one; say --ontology tiny or --ontology material",
        ),
        (["calibrate", "--ontology", "tiny"], "--ontology: is for --unlabelled PICTURES; leave it"),
        (["evaluate", "--protocol", "rvc"], "has several trees, and this is about one; say --ont"),
        (["refine", "--dataset", "fine"], "has several trees, and this is about one; say --ontolo"),
        (
            ["refine", "--dataset", "fine", "--ontology", "tiny", "--rounds", "2"],
            "--rounds 2: would train on labels of tiny alone, and the run has several trees; leave",
        ),
        (["export"], "has several trees, and this is about one; say --ontology tiny or --ontology"),
        (
            ["predict", "x.png", "--ontology", "materiel"],
            "no tree 'materiel'; did you mean material",
        ),
    ],
)
def test_what_is_about_one_tree_asks_which(
    words: list[str],
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (20, 20)).save("x.png")
    further = ["-o", "out"] if words[0] in ("predict", "export", "refine") else []
    with pytest.raises(SystemExit):
        cli.main([words[0], str(run), *words[1:], *further])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ontology=a.txt", r"ontologies: ontology is given too; remove one of them"),
        ("ontologies=[a.txt]", r"ontologies: are two trees or more; of one say ontology: a\.txt"),
        ("ontologies=[]", r"the key 'ontology' is missing; add it"),
        ("loss.ontology_weights=[1]", r"needs 2 weights, one for each tree, got 1"),
        (
            "loss.depth_weights=[1,2]",
            r"depth_weights: .* several trees \(tiny, material\); write it by tree, such as "
            r"depth_weights: \{tiny: \[1, 2\]\}",
        ),
        (
            "loss.depth_weights={tiny: [1, -1]}",
            r"depth_weights\.tiny\.1: expected a number at least",
        ),
        (
            "loss.depth_weights={tinny: [1]}",
            r"tinny: the run has no tree 'tinny'; did you mean tiny",
        ),
        (
            "datasets.0.max_depth=1",
            r"max_depth: .* write it by tree, such as max_depth: \{tiny: 1\}",
        ),
        ("datasets.0.max_depth={tiny: 0}", r"max_depth\.tiny: expected a number at least 1, got 0"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(change: str, message: str, project: Path) -> None:
    with pytest.raises(HarmonizeError, match=message):
        two_trees_config(project, change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("loss.ontology_weights=[1,1]", r"ontology_weights: belongs to ontologies; remove"),
        ("loss.depth_weights={tiny: [1, 2]}", r"one; write depth_weights: \[1, 2\]"),
        (
            "datasets.0.max_depth={tiny: 1}",
            r"given by tree, and the run has one; write max_depth: 1",
        ),
    ],
)
def test_what_is_given_by_tree_belongs_to_several(change: str, message: str, project: Path) -> None:
    with pytest.raises(HarmonizeError, match=message):
        RunConfig.from_document(Document("tiny", tiny_values(project, "x")), [change])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("datasets.0.max_depth={material: 3}", r"max_depth 3: material has the depths 1 to 2"),
        (
            "datasets.1.max_depth={material: 1}",
            r"coarse: max_depth\.material: the set says nothing",
        ),
    ],
)
def test_depths_that_a_tree_or_set_does_not_have_are_refused(
    change: str, message: str, project: Path
) -> None:
    with pytest.raises(HarmonizeError, match=message):
        load_sources(two_trees_config(project, change), several=True)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            "a\nb\n",
            "c\nb\n",
            r"two.txt:2:1: one has a node 'b' as well; name one of them otherwise",
        ),
        ("@left subject\na\nb\n", "c\nd\n", r"two: left is the viewer's, and the subject's in one"),
    ],
)
def test_trees_that_cannot_be_joined_are_refused(
    first: str, second: str, message: str, tmp_path: Path
) -> None:
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, text in zip(paths, (first, second), strict=True):
        path.write_text(text)
    with pytest.raises(HarmonizeError, match=message):
        join_trees([Ontology.from_file(path) for path in paths])
    with pytest.raises(HarmonizeError, match=r"ontologies: two trees are called 'one'; rename"):
        join_trees([Ontology.from_file(paths[0])] * 2)


def test_a_mapping_that_serves_none_of_the_trees_is_refused(project: Path) -> None:
    trees = [Ontology("x\ny\n", name="weather"), Ontology("u\nv\n", name="time")]
    spec = DatasetSpec.from_file(project / "fine.yaml")
    with pytest.raises(HarmonizeError, match=r"nothing about weather nor time; add meaning\.weat"):
        join_meanings(spec, trees, join_trees(trees))


def test_tools_of_one_tree_say_how_to_choose_it(project: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"ontologies: this works on one tree; say ontology="):
        load_sources(two_trees_config(project))


def test_a_joined_space_of_one_set_gives_each_tree_its_own_codes(project: Path) -> None:
    sources = load_sources(two_trees_config(project), several=True)
    assert isinstance(sources.space, TargetSpace)
    assert sources.space.num_codes == 6 + 3 + 1  # leaves; background, right, its mirror; thing


def test_check_looks_at_all_trees(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(dump(two_trees_config(project).to_dict()))
    assert cli.main(["check", str(path), "--scan", "0"]) == 1
    assert "2 of 3 leaves are labelled only together with others" in capsys.readouterr().out
    accepted = two_trees_config(project, "accept={unsupervised: [stone, metal]}")
    path.write_text(dump(accepted.to_dict()))
    assert cli.main(["check", str(path)]) == 0
    trees = ", ".join(str(project / name) for name in ("tiny.txt", "material.txt"))
    found = capsys.readouterr().out
    assert f"a config of fine, coarse on the trees {trees}" in found
    background = [line.split() for line in found.splitlines() if line.startswith("background")]
    soft = [line.split() for line in found.splitlines() if line.startswith("soft")]
    assert background[0][:4] == ["background", "1", *soft[0][2:4]]  # the same pixels in either
    with pytest.raises(SystemExit):
        cli.main(["check", str(path), "--csv", str(tmp_path / "a.csv")])
    assert "takes one config of one tree at a time, got 2" in capsys.readouterr().err
    text = path.read_text().replace("material.txt", "none.txt")
    path.write_text(text)
    assert cli.main(["check", str(path), "--scan", "0"]) == 1
    assert "none.txt" in capsys.readouterr().out
