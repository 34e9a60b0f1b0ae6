"""Trees and files made of relations, and the command from two trained networks on."""

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harmonize import cli
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.pipeline.train import train
from harmonize.tools.joining import verdicts
from harmonize.tools.joining.assembling import Joined, assemble
from harmonize.tools.joining.consistency import settle
from harmonize.tools.joining.join_files import mapping_around
from harmonize.tools.joining.other_trees import OtherTrees, other_trees
from harmonize.tools.joining.pairs import Class, Pair, Relation
from harmonize.tools.joining.relations import relate
from made_up_sets import ROAD, cross, truth, world
from tiny import FINE, tiny_values, write_project

NODE = shutil.which("node")


def join() -> Joined:
    found = cross(world(ROAD, seed=1, right=0.9))
    pairs = settle(relate(found, names=False)[0])
    return assemble([found.a, found.b], pairs, made_by="made")


def test_the_tree_has_a_leaf_for_each_thing_and_both_sets_mean_it() -> None:
    joined = join()
    assert joined.num_open == 0
    assert joined.text == (
        "# made\nsky\nplant\n\ttree\n\tgrass\nvehicle\n\tcar\n\tbus\n"
        "ground\n\troad\n\tkerb\nperson\n\tupper\n\tlower\n"
    )
    assert joined.meaning == {
        "A": {
            "sky": ("sky",),
            "plant": ("plant",),
            "vehicle": ("vehicle",),
            "road": ("road",),
            "kerb": ("kerb",),
            "person": ("person",),
        },
        "B": {
            "sky": ("sky",),
            "tree": ("tree",),
            "grass": ("grass",),
            "car": ("car",),
            "bus": ("bus",),
            "ground": ("ground",),
            "upper": ("upper",),
            "lower": ("lower",),
        },
    }


def test_names_that_both_sets_have_for_different_things_are_told_apart() -> None:
    things = {"a": ("box", "box"), "b": ("box", "lid"), "c": ("rest", "rest")}
    found, true = cross(world(things, seed=1)), truth(things)
    pairs = [
        dataclasses.replace(pair, relation=true[pair.a[1], pair.b[1]], sure=True, why="")
        for pair in relate(found)[0]
    ]
    joined = assemble([found.a, found.b], pairs, made_by="made")
    assert joined.text == "# made\nA_box\n\tbox\n\tlid\nrest\n"
    assert joined.meaning["A"]["box"] == ("A_box",)
    assert joined.meaning["B"]["box"] == ("box",)


def pair_of(pairs: Sequence[Pair], a: str, b: str) -> Pair:
    return next(pair for pair in pairs if (pair.a[1], pair.b[1]) == (a, b))


def changed(
    relations: dict[tuple[str, str], tuple[Relation, str]],
    *,
    mirrors: dict[Class, Class] | None = None,
) -> tuple[Joined, list[Pair]]:
    """Join the road sets with some relations in doubt."""
    found = cross(world(ROAD, seed=1, right=0.9))
    pairs = settle(relate(found, names=False)[0])
    pairs = [
        dataclasses.replace(pair, relation=relations[key][0], sure=False, why=relations[key][1])
        if (key := (pair.a[1], pair.b[1])) in relations
        else pair
        for pair in pairs
    ]
    joined = assemble([found.a, found.b], pairs, made_by="made", mirrors=mirrors, left="subject")
    return joined, pairs


def test_what_is_open_waits_at_the_larger_class() -> None:
    joined, pairs = changed({("vehicle", "car"): ("contains", "?")})
    assert "\ncar\n" in joined.text
    assert joined.meaning["A"]["vehicle"] == ("bus", "TODO")
    assert joined.doubts == {("A", "vehicle"): (pair_of(pairs, "vehicle", "car"),)}


def test_overlapping_classes_share_a_leaf_that_is_open() -> None:
    joined, _ = changed({("road", "grass"): ("overlaps", "both have a part in common")})
    assert "road_and_grass    # TODO: what A:road and B:grass have in common\n" in joined.text
    found = joined.meaning
    assert {"road_and_grass"} <= {*found["A"]["road"]} & {*found["B"]["grass"]}
    assert sum("TODO" in nodes for one in found.values() for nodes in one.values()) == 1


def test_an_unknown_class_has_a_leaf_that_waits() -> None:
    found = cross(world(ROAD, seed=1, right=0.9))
    own = found.b.own.copy()
    own[:, found.b.classes.index("bus")] = 0
    blind = dataclasses.replace(found, b=dataclasses.replace(found.b, own=own))
    pairs = settle(relate(blind, names=False)[0])
    joined = assemble([blind.a, blind.b], pairs, made_by="made")
    assert "bus    # TODO: find out where it belongs\n" in joined.text
    assert joined.unknown == (("B", "bus"),)
    assert joined.meaning["B"]["bus"] == ("TODO",)


def test_mirror_images_are_declared_and_whose_left_is_kept() -> None:
    upper, lower = ("B", "upper"), ("B", "lower")
    joined, _ = changed({}, mirrors={upper: lower, lower: upper})
    assert joined.text.endswith("@mirror lower upper\n@left subject\n")
    assert joined.tree.mirror_declared == {"upper", "lower"}


HALVES = """
name: halves
picture: "{id:02d}.png"
label: "{id:02d}_ids.png"
encoding: ids
splits: {train: {range: [0, 9]}, val: {range: [10, 14]}}
classes: {around: 0, west: 1, east: 2, void: 255}
# What each means.
meaning:
  own:
    around: around
    west: west
    east: east
    void: ignore
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a network on each of two sets that have no tree in common."""
    folder = write_project(tmp_path_factory.mktemp("join"))
    (folder / "own.txt").write_text("around\nwest\neast\n@mirror west east\n")
    (folder / "halves.yaml").write_text(f"root: {folder}/fine_data\n{HALVES}")
    for tree, name in (("own", "halves"), ("tiny", "coarse")):
        values = tiny_values(folder, folder / f"run_{name}")
        values["ontology"] = str(folder / f"{tree}.txt")
        values["datasets"] = [
            {"spec": str(folder / f"{name}.yaml"), "train": "train", "evaluate": "val"}
        ]
        values["augment"] = {"flip": 0.0, "scale": [0.9, 1.0], "color": 0.0}
        config = RunConfig.from_document(
            Document("tiny", values), ["train.steps=120", "accept.unsupervised=all", "optim.lr=0.2"]
        )
        train(config, name=name)
    return folder


def words(project: Path, *more: str) -> list[str]:
    files = [str(project / f"{name}.yaml") for name in ("halves", "coarse")]
    runs = [str(project / f"run_{name}") for name in ("halves", "coarse")]
    return ["join", *files, "--runs", *runs, *more]


def test_two_trained_networks_join_their_sets(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = project / "joined"
    assert cli.main(words(project, "-o", str(out))) == 0
    said = capsys.readouterr().out
    assert f"{out}/tree.txt and a mapping for each set are written" in said
    assert {path.name for path in out.iterdir()} == {
        "tree.txt",
        "own.txt",
        "tiny.txt",
        "halves.yaml",
        "coarse.yaml",
        "evidence.json",
        "join.html",
    }
    assert (out / "tree.txt").read_text() == (
        "# By harmonize join, from halves, coarse.\n"
        "around\nthing\n\twest\n\teast\n@mirror east west\n"
    )
    written = (project / "halves.yaml").read_text()
    assert (out / "halves.yaml").read_text() == (
        "# With a meaning for tree.txt, by harmonize join.\n"
        + written.replace(
            "meaning:\n",
            "meaning:\n  tree:\n    around: around\n    west: west\n    east: east\n"
            "    void: ignore\n",
        )
    )
    tree = Ontology.from_file(out / "tree.txt")
    coarse = DatasetSpec.from_file(out / "coarse.yaml")
    assert coarse.meaning["tree"] == {"background": ("around",), "thing": ("thing",)}
    assert coarse.meaning["tiny"] == {"background": ("background",), "thing": ("thing",)}
    assert coarse.leaf_masks(tree).sum() == 3
    evidence = json.loads((out / "evidence.json").read_text())
    found = {(p["a"][1], p["b"][1]): (p["relation"], p["sure"]) for p in evidence["pairs"]}
    assert found == {
        ("around", "background"): ("same", True),
        ("around", "thing"): ("disjoint", True),
        ("west", "background"): ("disjoint", True),
        ("west", "thing"): ("part of", True),
        ("east", "background"): ("disjoint", True),
        ("east", "thing"): ("part of", True),
    }
    assert evidence["pairs"][0]["on_a"]["recall"] > 0.8
    assert evidence["pairs"][0]["look_at"]["on_a"]
    assert (out / "own.txt").read_text() == (
        f"# A copy, by harmonize join.\n{(project / 'own.txt').read_text()}"
    )
    mappings = [str(out / "halves.yaml"), str(out / "coarse.yaml")]
    assert cli.main(["check", *mappings]) == 0  # their old trees are found too
    capsys.readouterr()
    assert cli.main(words(project, "-o", str(out), "--names", "off")) == 0  # its own are replaced
    assert not re.search(r'src="(?!data:)|https?://', (out / "join.html").read_text())


def spec_on(text: str, mapping: Path) -> DatasetSpec:
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text(text)
    return DatasetSpec.from_file(mapping)


def test_old_trees_are_copied_or_left_to_be_found_or_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [Path("a/halves.yaml"), Path("b/others.yaml")]
    texts = [HALVES, HALVES.replace("halves", "others").replace("own:", "here:")]
    specs = [spec_on(text, path) for text, path in zip(texts, paths, strict=True)]
    how = {"own": "tree", "made_by": "harmonize join"}
    found = other_trees(specs, paths, Path("out"), **how)
    assert found == OtherTrees({}, {"halves": ["own"], "others": ["here"]})
    assert found.notes(Path("out")) == [
        f"out/{name}.yaml: leaves out what classes mean on {tree}, of which no file is found"
        for name, tree in (("halves", "own"), ("others", "here"))
    ]
    Path("here.txt").write_text("x\n")
    Path("a/own.txt").write_text("y\n")
    found = other_trees(specs, paths, Path("out"), **how)
    copy = "# A copy, by harmonize join.\ny\n"
    assert found == OtherTrees({"own": copy}, {"halves": [], "others": []})
    assert found.notes(Path("out")) == []
    Path("b/here.txt").write_text("z\n")  # not the one that would be found
    found = other_trees(specs, paths, Path("out"), **how)
    assert found.copies == {"own": copy, "here": copy.replace("y\n", "z\n")}
    again = [specs[0], spec_on(HALVES.replace("halves", "others"), paths[1])]
    Path("b/own.txt").write_text("another\n")
    found = other_trees(again, paths, Path("out"), **how)
    assert found == OtherTrees({"own": copy}, {"halves": [], "others": ["own"]})
    assert other_trees(again, paths, Path("out"), own="own", made_by="x").copies == {}


def test_the_meaning_of_a_lost_tree_is_left_out_and_the_rest_stays_as_written(
    tmp_path: Path,
) -> None:
    more = "  more:  # kept\n    # first\n    {around: a, west: b, east: c, void: ignore}\n"
    mapping = tmp_path / "halves.yaml"
    spec = spec_on(f"{HALVES}\n{more}about: x\n", mapping)
    kept = mapping_around(spec, mapping)
    assert kept.head.endswith(HALVES.partition("meaning:\n")[0] + "meaning:\n")
    assert kept.tail == f"{HALVES.partition('meaning:')[2][1:]}\n{more}about: x\n"
    assert mapping_around(spec, mapping, ["own"]).tail == f"{more}about: x\n"
    assert mapping_around(spec, mapping, ["more"]).tail == (
        f"{HALVES.partition('meaning:')[2][1:]}\nabout: x\n"
    )
    all_lost = mapping_around(spec, mapping, ["own", "more"])
    assert (all_lost.tail, all_lost.indent) == ("about: x\n", "  ")
    inline = HALVES.partition("meaning:")[0] + (
        "meaning: {own: {around: around, west: west, east: east, void: ignore}}\n"
    )
    spec = spec_on(inline, mapping)
    assert mapping_around(spec, mapping, ["own"]).tail == ""


def script_of(page: str) -> str:
    """Return what makes the files, with the page's choices in the function ``choose``."""
    script = re.search(r'"use strict";(.*?)</script>', page, re.DOTALL)
    assert script
    return (
        script[1]
        .split("function show()")[0]
        .replace('document.getElementById("state").textContent', "read('state.json')")
        .replace(
            'document.querySelector(`input[name="${doubt.id}"]:checked`).value', "choose(doubt)"
        )
    )


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
@pytest.mark.parametrize("order", [1, -1])
def test_a_common_leaf_and_the_rest_of_a_class_get_a_node_that_parts_no_class(
    order: int, tmp_path: Path
) -> None:
    own = {"a:face": ["face"], "a:hair": ["hair"], "a:nose": ["nose"], "b:skin": ["skin"]}
    own = dict(list({**own, "b:hair": ["hair"]}.items())[::order])
    state = {
        "tree": ["# made", "face", "skin", "\tnose", "hair    # dark", "@mirror x y"],
        "own": own,
        "doubts": [
            {"id": "d0", "a": "a:face", "b": "b:skin", "owner": "b:skin", "common": "f_s"},
            {"id": "d1", "a": "a:face", "b": "b:hair", "owner": "a:face", "common": "beard"}
            | {"drawn": True},
            {"id": "d2", "a": "a:hair", "b": "b:hair", "owner": "b:hair", "common": "hairs"},
        ],
        "files": {},
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    source = Path(verdicts.__file__).with_name("join.html.jinja").read_text()
    (tmp_path / "page.js").write_text(
        "const read = (name) => require('fs').readFileSync(name, 'utf8');\n"
        "let answers = {d0: 'part of', d1: 'overlaps', d2: 'part of'};\n"
        "const choose = ({id}) => answers[id];\n" + script_of(source) + "function look(given) {\n"
        "  answers = given;\n"
        "  const found = decide(), tree = state.tree.filter((line) => !line.startsWith('@'));\n"
        "  nest_common(tree, found);\n"
        "  return [tree, found.nodes, found.leaves, texts()['tree.txt']];\n"
        "}\n"
        "console.log(JSON.stringify([look(answers), look({d0: 'part of', d1: '', d2: 'same'}), "
        "look({d0: 'part of', d1: 'overlaps', d2: 'same'})]));\n"
    )
    done = subprocess.run(
        [str(NODE), "page.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    decided, undecided, same = json.loads(done.stdout)
    tree, nodes, leaves, text = decided
    assert tree == ["# made", "face", "skin", "\tnose", "b_hair", "\thair    # dark", "\tbeard"]
    assert nodes["b:hair"] == ["b_hair"]
    assert nodes["a:hair"] == ["hair"]
    assert nodes["a:face"] == ["face", "beard"]
    assert nodes["b:skin"] == ["skin", "face"]
    assert leaves == []
    assert text == "\n".join([*tree, "@mirror x y"]) + "\n"
    tree, nodes, leaves, text = undecided
    assert tree == state["tree"][:-1]
    assert leaves == ["beard"]
    assert text.splitlines()[-2:] == ["beard", "@mirror x y"]
    tree, nodes, leaves, text = same
    assert tree[-3:] == ["b_hair" if order < 0 else "a_hair", "\thair    # dark", "\tbeard"]
    assert nodes["a:hair"] == nodes["b:hair"] == [tree[-3]]


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
@pytest.mark.parametrize(
    ("pairs", "kept"), [(["yz", "xy"], "x"), (["xz", "yz"], "y"), (["xy", "yz", "xz"], "x")]
)
def test_leaves_that_are_the_same_by_way_of_a_third_become_one(
    pairs: list[str], kept: str, tmp_path: Path
) -> None:
    doubts = [
        {"id": pair, "a": pair[0], "b": pair[1], "owner": pair[0], "common": f"c{pair}"}
        for pair in pairs
    ]
    state = {
        "tree": ["x", "y", "z", "q", "@mirror q z"],
        "own": {name: [name] for name in "xyzq"},
        "doubts": doubts,
        "files": {},
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    source = Path(verdicts.__file__).with_name("join.html.jinja").read_text()
    (tmp_path / "page.js").write_text(
        "const read = (name) => require('fs').readFileSync(name, 'utf8');\n"
        "const choose = () => 'same';\n" + script_of(source) + "console.log("
        "JSON.stringify([texts()['tree.txt'], decide().nodes]));\n"
    )
    done = subprocess.run(
        [str(NODE), "page.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    text, nodes = json.loads(done.stdout)
    assert text.split("\n") == [kept, "q", f"@mirror q {kept}", ""]
    assert nodes == {"x": [kept], "y": [kept], "z": [kept], "q": ["q"]}


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
def test_the_page_writes_the_files_as_they_are_decided(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "open"
    monkeypatch.setattr(verdicts, "WHOLE", 1.1)  # nothing is sure
    assert cli.main(words(project, "-o", str(out), "--names", "off")) == 0
    page = (out / "join.html").read_text()
    state = re.search(r'id="state">(.*?)</script>', page, re.DOTALL)
    assert state
    (tmp_path / "state.json").write_text(state[1])
    body = script_of(page)
    (tmp_path / "page.js").write_text(
        "const read = (name) => require('fs').readFileSync(name, 'utf8');\n"
        "let choose = () => '';\n" + body + "const open = texts();\n"
        "choose = ({a, b}) => a.endsWith(':around') === b.endsWith(':background') ?"
        " (a.endsWith(':around') ? 'same' : 'part of') : 'disjoint';\n"
        "console.log(JSON.stringify([open, texts()]));\n"
    )
    done = subprocess.run(
        [str(NODE), "page.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    before, after = json.loads(done.stdout)
    for name, text in before.items():
        assert text == (out / name).read_text()
    assert any("TODO" in text for text in before.values())
    assert not any("TODO" in text.split("meaning:")[-1] for text in after.values())
    for name, text in after.items():
        (out / name).write_text(text)
    tree = Ontology.from_file(out / "tree.txt")
    masks = [
        DatasetSpec.from_file(out / f"{n}.yaml").leaf_masks(tree) for n in ("halves", "coarse")
    ]
    assert np.array_equal(masks[0][0], masks[1][0])
    assert masks[0][0].sum() == 1  # one leaf for both
    assert (masks[0][1] <= masks[1][1]).all()
    assert (masks[0][2] <= masks[1][1]).all()
    assert not (masks[1][0] & masks[1][1]).any()


def test_what_cannot_be_joined_is_said(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    halves, coarse = (str(project / f"{name}.yaml") for name in ("halves", "coarse"))
    runs = [str(project / f"run_{name}") for name in ("halves", "coarse")]
    (tmp_path / "one.yaml").write_text(
        f"root: {project}/fine_data\n" + FINE.replace("name: fine", "name: one")
    )
    (tmp_path / "other.yaml").write_text(
        (project / "halves.yaml").read_text().replace("west", "left")
    )
    (tmp_path / "bare.yaml").write_text(
        f'name: coarse\nroot: {project}/coarse_data\npicture: "{{id}}.png"\nlabel: ~\n'
        "splits: {val: {list: val.txt}}\n"
    )
    out = str(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tree.txt").write_text("mine\n")
    wrong = {
        (halves, "--runs", *runs): "one mapping: it takes two or more data sets to join",
        (halves, coarse, "--runs", runs[0]): "--runs: 1 for 2 mappings; give one for each",
        (halves, halves, "--runs", *runs): "halves: 2 mappings have this name",
        (
            halves,
            coarse,
            "--runs",
            *runs[::-1],
        ): "was trained on coarse, not on halves; give the runs",
        (
            str(tmp_path / "other.yaml"),
            coarse,
            "--runs",
            *runs,
        ): "with other classes of it (left, west)",
        (halves, str(tmp_path / "bare.yaml"), "--runs", *runs): "coarse",
        (
            halves,
            coarse,
            "--runs",
            *runs,
            "--pictures",
            "0",
        ): "--pictures 0: networks that see nothing",
        (halves, coarse, "--runs", *runs, "--split", "nope"): "no split 'nope'",
    }
    for given, expected in wrong.items():
        with pytest.raises(SystemExit) as caught:
            cli.main(["join", *given, "-o", out])
        assert caught.value.code == 2
        assert expected in capsys.readouterr().err, given
    with pytest.raises(SystemExit):
        cli.main(words(project, "-o", str(tmp_path / "mine")))
    assert "mine/tree.txt: is there already, and not from this command" in capsys.readouterr().err


def test_a_network_that_has_learned_nothing_is_said(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_values(project, tmp_path / "run")
    values["ontology"] = str(project / "tiny.txt")
    values["datasets"] = [
        {"spec": str(project / "coarse.yaml"), "train": "train", "evaluate": "val"}
    ]
    config = RunConfig.from_document(
        Document("tiny", values), ["train.steps=1", "accept.unsupervised=all", "optim.lr=0.00001"]
    )
    run = str(train(config, name="new"))
    files = [str(project / f"{name}.yaml") for name in ("halves", "coarse")]
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(
            ["join", *files, "--runs", str(project / "run_halves"), run, "-o", str(tmp_path / "o")]
        )
    assert "says too little about coarse to be held against others" in capsys.readouterr().err


def test_a_run_that_tells_no_classes_apart_is_said(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.txt").write_text((project / "tiny.txt").read_text())
    (tmp_path / "coarse.yaml").write_text(
        (project / "coarse.yaml")
        .read_text()
        .replace("{background: background,", "{background: ignore,")
    )
    values = tiny_values(project, tmp_path / "run")
    values["ontology"] = str(project / "tiny.txt")
    values["datasets"] = [
        {"spec": str(project / "fine.yaml"), "train": "train"},
        {"spec": str(tmp_path / "coarse.yaml"), "train": "train"},
    ]
    config = RunConfig.from_document(
        Document("tiny", values), ["train.steps=1", "accept.unsupervised=all"]
    )
    run = str(train(config, name="one"))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(
            [
                "join",
                str(project / "halves.yaml"),
                str(tmp_path / "coarse.yaml"),
                "--runs",
                str(project / "run_halves"),
                run,
                "-o",
                str(tmp_path / "o"),
            ]
        )
    assert "tells 1 of its classes apart" in capsys.readouterr().err
