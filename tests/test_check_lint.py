"""What trees, mappings and configs say that is rarely meant, each kind with its good case."""

from pathlib import Path

import numpy as np
import pytest

from harmonize.config.accept import Accepted
from harmonize.config.strict_yaml import Document, load_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping_lint import Finding, config_findings, mapping_findings
from harmonize.labels.ontology import Ontology
from spoiled import CONFIG, LABEL, add, mapping, passes, problems, spoil, write_set


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def test_a_set_of_one_class_is_told_unless_it_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    crack = "{tiny: {background: ignore, left: thing, right: ignore}}"
    spoil(meaning=crack)
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:11: meaning.tiny: only 'left' can be answered, so every score is 100; give "
        "the rest a node, or train on it only beside a set that labels the rest "
        "[accept: {one-answer: all}]"
    ]
    spoil(meaning=crack, accept="{one-answer: all}")
    passes(capsys, "fine.yaml")
    told = problems(capsys, "run.yaml")[0]
    assert told.endswith("only 'left' can be answered, so every score is 100; give the rest a node")


def make_spec(classes: str, meaning: str, accept: str = "{}") -> DatasetSpec:
    """Return a mapping to the tree t; its meaning starts on line 8."""
    text = mapping(name="m", classes=classes, meaning=f"{{t: {meaning}}}", accept=accept)
    return DatasetSpec.from_document(load_text(text, "m.yaml"))


def found(tree: str, classes: str, meaning: str, accept: str = "{}") -> list[tuple[str, str]]:
    """Return the kinds and texts of what is found in a mapping."""
    spec = make_spec(classes, meaning, accept)
    ontology = Ontology(tree, name="t")
    accepted = Accepted(spec.accept, spec.document)
    return [(one.kind, one.text) for one in mapping_findings(spec, ontology, accepted)]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"meaning": "{tiny: {background: background, left: lft, right: right}}"},
            "8:42: meaning.tiny.left: no node 'lft' in tiny; did you mean left?",
        ),
        (
            {
                "meaning": "\n  tiny:\n    background: background\n    right: right\n"
                "    left: [left, rigth]"
            },
            "12:18: meaning.tiny.left.1: no node 'rigth' in tiny; did you mean right?",
        ),
        (
            {"meaning": "{tiny: {background: background, lefft: left, left: left, right: right}}"},
            "8:42: meaning.tiny.lefft: no class 'lefft'; did you mean left?",
        ),
        (
            {"meaning": "{tiny: {background: background, left: left}}"},
            "8:11: meaning.tiny.right: the class 'right' has no meaning here; give it a node, a "
            "list of nodes, or ignore",
        ),
        (
            {"classes": "{background: 0, left: 1, right: 1}"},
            "7:35: classes.right: 1 stands for 'left' already",
        ),
        (
            {"classes": "{background: 0, left: [1, 3], right: [2, 3]}"},
            "7:40: classes.right: 3 stands for 'left' already",
        ),
        (
            {
                "encoding": "rgb",
                "classes": "{background: '#000000', left: [0, 0, 0], right: '#ffffff'}",
            },
            "7:34: classes.left: #000000 stands for 'background' already",
        ),
        (
            {
                "encoding": "masks",
                "label": '"labels/{id}_{class}.png"',
                "classes": "{background: ~, left: l, right: l}",
            },
            "7:35: classes.right: 'l' stands for 'left' already",
        ),
        (
            {"classes": "{background: 0, left: 1, right: 2, left: 3}"},
            "7:45: classes.left: this key is written twice",
        ),
        ({"name": "fine\nname: coarse"}, "2:1: name: this key is written twice"),
    ],
)
def test_check_tells_unknown_names_and_what_stands_twice(
    capsys: pytest.CaptureFixture[str], changed: dict[str, str], line: str
) -> None:
    assert passes(capsys, "fine.yaml", "--scan", "0") == [
        "fine.yaml: a mapping of 3 classes to tiny"
    ]
    spoil(**changed)
    assert problems(capsys, "fine.yaml", "--scan", "0") == [f"fine.yaml:{line}"]


def test_check_tells_unknown_splits_of_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(CONFIG.replace("train: train", "train: trian"))
    assert problems(capsys, "run.yaml") == [
        "fine.yaml:6:1: splits: no split 'trian'; did you mean train?"
    ]


def test_check_tells_a_class_that_means_the_whole_tree(capsys: pytest.CaptureFixture[str]) -> None:
    add("a", np.where(LABEL == 2, 3, LABEL).astype(np.uint8))
    changed = {"classes": "{background: 0, left: 1, right: 2, any: 3}"}
    meaning = "{tiny: {background: background, left: left, right: right, any: [thing, background]}}"
    spoil(**changed, meaning=meaning)
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:68: meaning.tiny.any: 'any' means every leaf of the tree, which teaches "
        "nothing; map it to `ignore`, or to the nodes that it can be "
        "[accept: {whole-tree: [any]}]"
    ]
    spoil(**changed, meaning=meaning.replace("[thing, background]", "ignore"))
    passes(capsys, "fine.yaml")
    spoil(**changed, meaning=meaning, accept="{whole-tree: [any]}")
    passes(capsys, "fine.yaml")


def test_the_one_leaf_of_a_tree_is_no_whole_tree() -> None:
    assert found("a\n", "{one: 0}", "{one: a}") == []
    assert found("a\n", "{one: 0, two: 1, void: 2}", "{one: a, two: a, void: ignore}") == []


def test_check_tells_two_classes_that_share_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(meaning="{tiny: {background: background, left: thing, right: right}}")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:55: meaning.tiny.right: 'right' shares right with 'left', so the network "
        "cannot answer which of them it sees; give each its own nodes "
        "[accept: {shared-leaves: [right]}]"
    ]
    spoil()
    passes(capsys, "fine.yaml")


def test_a_class_names_only_those_it_shares_with_and_what_is_not_accepted() -> None:
    classes = "{a: 0, b: 1, c: 2}"
    meaning = "{a: [x, y], b: [y, z], c: [x, z]}"
    tree = "x\ny\nz\nw\n"
    assert [text.split(",")[0] for _, text in found(tree, classes, meaning)] == [
        "'b' shares y with 'a'",
        "'c' shares x + z with 'a'",
    ]
    told = found(tree, classes, meaning, "{shared-leaves: [a]}")
    assert [text.split(", so")[0] for _, text in told] == ["'c' shares z with 'b'"]


def test_check_tells_parents_labelled_in_part_with_the_advice_that_mends_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add("a", np.minimum(LABEL, 1))
    add("b", np.minimum(LABEL, 1))
    changed = {"classes": "{background: 0, left: 1}"}
    spoil(**changed, meaning="{tiny: {background: background, left: left}}")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:11: meaning.tiny: of 'thing', fine labels left and never right; if its "
        "pictures show these, map the class that holds them to a set of nodes: "
        "`left: [left, right]` [accept: {partly-labelled: [thing]}]"
    ]
    spoil(**changed, meaning="{tiny: {background: background, left: [left, right]}}")
    passes(capsys, "fine.yaml")


def test_the_advice_for_nodes_of_several_classes_is_no_set_of_them_all() -> None:
    tree = "top\n\ta\n\tb\n\tc\n\td\n\t\te\n\t\tf\n\t\tg\nrest\n"
    told = found(tree, "{one: 0, two: 1, bg: 2}", "{one: a, two: [b, e], bg: rest}")
    assert told == [
        (
            "partly-labelled",
            "of 'top', m labels a, b, d and never c; if its pictures show it, add it to the nodes "
            "of the class that holds it: one, two or another",
        ),
        (
            "partly-labelled",
            "of 'd', m labels e and never f, g; if its pictures show some of these, add each to "
            "the nodes of the class that holds it: two or another",
        ),
    ]
    accept = "{partly-labelled: [d]}"
    told = found(tree, "{one: 0, two: 1, bg: 2}", "{one: a, two: [b, e], bg: rest}", accept)
    assert [text.split(",")[0] for _, text in told] == ["of 'top'"]


def test_the_advice_names_a_few_of_many_classes() -> None:
    tree = "top\n\ta\n\tb\n\tc\n\td\n\te\n"
    classes = "{one: 0, two: 1, three: 2, four: 3}"
    told = found(tree, classes, "{one: a, two: b, three: c, four: d}")
    assert [text.rpartition(": ")[2] for _, text in told] == ["one, two or one of 2 more"]


def test_a_parent_that_is_labelled_whole_or_not_at_all_is_fine() -> None:
    tree = "top\n\ta\n\tb\nother\n\tc\n\td\nrest\n"
    assert found(tree, "{one: 0, bg: 1}", "{one: top, bg: rest}") == []
    assert found(tree, "{one: 0, two: 1, bg: 2}", "{one: top, two: a, bg: rest}") == [
        (
            "shared-leaves",
            "'two' shares a with 'one', so the network cannot answer which of them it sees; "
            "give each its own nodes",
        )
    ]


def test_a_mapping_that_ignores_all_has_no_findings_but_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(meaning="{tiny: {background: ignore, left: ignore, right: ignore}}")
    told = "fine.yaml:8:11: meaning.tiny: ignores every class, so there is nothing to learn"
    assert problems(capsys, "fine.yaml") == [told]
    assert told in problems(capsys, "run.yaml")


def test_leaves_are_supervised_alone_together_or_not_at_all() -> None:
    ontology = Ontology("a\nb\nc\nd\ne\n", name="t")
    specs = [
        make_spec("{one: 0, two: 1}", "{one: a, two: [b, c]}"),
        make_spec("{one: 0, two: 1}", "{one: b, two: ignore}"),
    ]
    document = Document("run.yaml", {}, {(): "run.yaml:1:1", ("datasets",): "run.yaml:2:1"})
    told = config_findings(ontology, specs, Accepted({}, document), document)
    assert list(map(str, told)) == [
        "run.yaml:2:1: datasets: 2 of 5 leaves are labelled by no data set, so the network never "
        "learns them: d, e; add a data set that has them, or use a tree without "
        "[accept: {unsupervised: [d, e]}]",
        "run.yaml:2:1: datasets: 1 of 5 leaves is labelled only together with others, so nothing "
        "says which of these a pixel is: c; add a data set that has them, or use a tree without "
        "[accept: {unsupervised: [c]}]",
    ]
    accepted = Accepted({"unsupervised": ("d", "c")}, document)
    told = config_findings(ontology, specs, accepted, document)
    assert [one.text.split(":")[1].split(";")[0] for one in told] == [" e"]
    assert (
        config_findings(ontology, specs, Accepted({"unsupervised": "all"}, document), document)
        == []
    )


def test_check_tells_leaves_that_no_set_of_the_config_supervises_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add("a", np.minimum(LABEL, 1))
    add("b", np.minimum(LABEL, 1))
    classes = "{background: 0, thing: 1}"
    spoil(classes=classes, meaning="{tiny: {background: background, thing: thing}}")
    told = (
        "run.yaml:2:1: datasets: 2 of 3 leaves are labelled only together with others, so nothing "
        "says which of these a pixel is: left, right; add a data set that has them, or use a tree "
        "without [accept: {unsupervised: [left, right]}]"
    )
    assert problems(capsys, "run.yaml", "--scan", "0") == [told]
    passes(capsys, "fine.yaml")
    Path("sides.yaml").write_text(mapping(name="sides"))
    Path("run.yaml").write_text(
        "ontology: tiny.txt\n"
        "datasets: [{spec: fine.yaml, train: train}, {spec: sides.yaml, train: train}]\n"
    )
    passes(capsys, "run.yaml", "--scan", "0")


def test_sets_that_are_only_scored_supervise_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    classes = "{background: 0, thing: 1}"
    spoil(classes=classes, meaning="{tiny: {background: background, thing: thing}}")
    Path("sides.yaml").write_text(mapping(name="sides"))
    Path("run.yaml").write_text(f"{CONFIG}evaluate_also: [{{spec: sides.yaml, evaluate: train}}]\n")
    assert (
        "2 of 3 leaves are labelled only together"
        in problems(capsys, "run.yaml", "--scan", "0")[-1]
    )


def test_a_finding_lists_few_of_the_classes_it_is_about() -> None:
    classes = "{a: 0, b: 1, c: 2, d: 3, e: 4, f g: 5}"
    meaning = "{a: [x, b], b: [x, c], c: [x, d], d: [x, e], e: [x, f], 'f g': x}"
    told = found("x\nb\nc\nd\ne\nf\nrest\n", classes, meaning)
    assert [text.split(", so the")[0] for kind, text in told if kind == "shared-leaves"] == [
        "'b' shares x with 'a'",
        "'c' shares x with 'a', 'b'",
        "'d' shares x with 'a', 'b', 'c'",
        "'e' shares x with 'a', 'b', 'c', 1 more",
        "'f g' shares x with 'a', 'b', 'c', 2 more",
    ]


def test_classes_of_one_meaning_are_no_finding() -> None:
    classes, meaning = "{a: 0, b: 1, c: 2}", "{a: [x, y], b: [y, x], c: y}"
    told = found("x\ny\nrest\n", classes, meaning)
    assert [text.split(", so the")[0] for _, text in told] == ["'c' shares y with 'a', 'b'"]


@pytest.mark.parametrize(
    ("names", "written"),
    [
        ((), "kind"),
        (("f g",), "accept: {kind: [f g]}"),
        (("a, b", "c"), 'accept: {kind: ["a, b", c]}'),
        (("all",), "accept: {kind: all}"),
        (tuple("abcd"), "accept: {kind: all}"),
    ],
)
def test_a_finding_ends_with_the_key_that_accepts_it(names: tuple[str, ...], written: str) -> None:
    assert str(Finding("kind", "here", "this", names)) == f"here: this [{written}]"
    if names:
        key = load_text(written, "it").value["accept"]["kind"]  # type: ignore[index,call-overload]
        assert key in ("all", list(names))
