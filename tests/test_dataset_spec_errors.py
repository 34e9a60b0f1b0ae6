"""Mappings that are refused, each with the place and what to write."""

import re
from copy import deepcopy
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.config.strict_yaml import Value, dump, load_text
from harmonize.labels.encodings import ENCODINGS
from harmonize.labels.mapping import Split
from toy_mapping import NO_IDS, STREET, TEXT, changed, toy


def problems(*changes: tuple[str, str]) -> tuple[str, ...]:
    with pytest.raises(HarmonizeError) as caught:
        toy(changed(*changes))
    return caught.value.problems


IDS = "an id or a list of ids and ranges such as 1-200"

COLOUR = "a colour such as [255, 0, 0] or '#ff0000', or a list of colours"

SOFT = (("encoding: ids", "encoding: soft_masks"), ("labels/{id}", "labels/{id}_{class}"))

RGB = (("encoding: ids", "encoding: rgb"), ("[1, 2]", "[1, 2, 3]"), ("255", "'#0000ff'"))

MASK = (
    "the text that stands in the mask's file name, a list of such texts or one with a *, or ~ for "
    "what no mask covers"
)

MASKS = (
    ("encoding: ids", "encoding: masks"),
    ("labels/{id}", "labels/{id}_{class}"),
    ("void: 255", "void: v"),
)

FORMULA = "a formula is made of V or R, G, B, A, whole numbers and + - * // %"


def with_option(encoding: str, option: str) -> tuple[str, str]:
    """Return the change that sets the encoding and writes an option on line 6."""
    return ("encoding: ids", f"encoding: {encoding}\n{option}")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            [("    road: [road, pavement]\n", "")],
            "13:3: meaning.street.road: the class 'road' has no meaning here; "
            "give it a node, a list of nodes, or ignore",
        ),
        (
            [("[road, pavement]", "[]")],
            "15:5: meaning.street.road: the class 'road' has no meaning here; "
            "give it a node, a list of nodes, or ignore",
        ),
        (
            [("ignore\n", "ignore\n    skye: sky\n")],
            "17:5: meaning.street.skye: no class 'skye'; did you mean sky?",
        ),
        (
            [("ignore\n", "ignore\n    zzz: sky\n")],
            "17:5: meaning.street.zzz: no class 'zzz'; choose from: sky, road, void",
        ),
        (
            [("[road, pavement]", "[road, ignore]")],
            "15:5: meaning.street.road: ignore stands alone, got ['road', 'ignore']",
        ),
        ([("[1, 2]", "[1, 0]")], "10:3: classes.road: 0 stands for 'sky' already"),
        ([("[1, 2]", "[1, 1]")], "10:3: classes.road: 1 stands for 'road' already"),
        (
            [("[1, 2]", "[1, -2147483649]")],
            f"10:3: classes.road: expected {IDS}, got [1, -2147483649]",
        ),
        ([("sky: 0", "sky: 4294967296")], f"9:3: classes.sky: expected {IDS}, got 4294967296"),
        ([("sky: 0", "sky: true")], f"9:3: classes.sky: expected {IDS}, got True"),
        ([("sky: 0", "sky: []")], f"9:3: classes.sky: expected {IDS}, got []"),
        ([("sky: 0", "sky: '#ff0000'")], f"9:3: classes.sky: expected {IDS}, got '#ff0000'"),
        ([*RGB, ("sky: 0", "sky: 0")], f"9:3: classes.sky: expected {COLOUR}, got 0"),
        ([*RGB, ("sky: 0", "sky: [1, 2]")], f"9:3: classes.sky: expected {COLOUR}, got [1, 2]"),
        (
            [*RGB, ("sky: 0", "sky: [256, 0, 0]")],
            f"9:3: classes.sky: expected {COLOUR}, got [256, 0, 0]",
        ),
        ([*RGB, ("sky: 0", "sky: '#ff00'")], f"9:3: classes.sky: expected {COLOUR}, got '#ff00'"),
        (
            [*RGB, ("sky: 0", "sky: '#-00001'")],
            f"9:3: classes.sky: expected {COLOUR}, got '#-00001'",
        ),
        (
            [*RGB, ("sky: 0", "sky: '#1_2_34'")],
            f"9:3: classes.sky: expected {COLOUR}, got '#1_2_34'",
        ),
        (
            [*RGB, ("sky: 0", "sky: ['#ffffff', 3]")],
            f"9:3: classes.sky: expected {COLOUR}, got ['#ffffff', 3]",
        ),
        (
            [*RGB, ("sky: 0", "sky: [0, 0, 255]")],
            "11:3: classes.void: #0000ff stands for 'sky' already",
        ),
        (
            list(SOFT),
            "10:3: classes.road: expected the one id that stands in the mask's file name, "
            "or ~ for what is 0 in all masks, got [1, 2]",
        ),
        (
            [SOFT[0], ("[1, 2]", "1")],
            "4:1: label: the field {class} belongs to encoding: soft_masks or masks and to "
            "no other, got 'labels/{id}.png' with soft_masks",
        ),
        (
            [SOFT[1]],
            "4:1: label: the field {class} belongs to encoding: soft_masks or masks and to "
            "no other, got 'labels/{id}_{class}.png' with ids",
        ),
        (
            [("encoding: ids", "encoding: id")],
            f"5:1: encoding: expected one of {', '.join(ENCODINGS)}, got 'id'",
        ),
        (
            [("{glob: ", "{range: [0, 3], list: a.txt, glob: ")],
            "7:3: splits.train: needs exactly one of list, range and glob, "
            "got list and range and glob",
        ),
        (
            [("{glob: ", "{range: [0, 3], glob: ")],
            "7:3: splits.train: needs exactly one of list, range and glob, got range and glob",
        ),
        (
            [('{glob: "images/{id}.jpg"}', "{}")],
            "7:3: splits.train: needs exactly one of list, range and glob, got none",
        ),
        (
            [('{glob: "images/{id}.jpg"}', "{range: [3, 0]}")],
            "7:3: splits.train: the range is first to last, got [3, 0]",
        ),
        ([("{glob: ", "{columns: [a], glob: ")], "7:3: splits.train: `columns` belongs to a list"),
        (
            [("{glob: ", "{separator: ',', glob: ")],
            "7:3: splits.train: `separator` belongs to a list",
        ),
        (
            [('"images/{id}.jpg"', '"images/{}.jpg"')],
            "7:3: splits.train: a field is written {name}",
        ),
        (
            [("picture: images/{id}.jpg", "picture: images/{id:x}.jpg")],
            "3:1: picture: a field is written {name}",
        ),
        (
            [("labels/{id}.png", "labels/{id.png")],
            "4:1: label: not a template: expected '}' before end of string, got 'labels/{id.png'",
        ),
        ([("{glob: ", "{skip: 1, glob: ")], "7:3: splits.train: `skip` belongs to a list"),
        (
            [('{glob: "images/{id}.jpg"}', "{list: a.txt, skip: -1}")],
            "7:24: splits.train.skip: expected a number at least 0, got -1",
        ),
        (
            [("{glob: ", "{where: {id: 3}, glob: ")],
            "7:19: splits.train.where.id: expected a list, got 3",
        ),
        (
            [("{glob: ", "{where: {id: [1, 2, 3]}, glob: ")],
            "7:19: splits.train.where.id: expected a list of 2, got [1, 2, 3]",
        ),
        (
            [("picture: images/{id}.jpg", "picture: images/{id//0}.jpg")],
            "3:1: picture: a field is written {name}, {name:06d} or {name//100}, ",
        ),
        (
            [with_option("ids", "value: V//0")],
            f"6:1: value: {FORMULA}, got 'V//0'",
        ),
        (
            [with_option("ids", "value: ''")],
            "6:1: value: not a formula, got ''",
        ),
        (
            [with_option("ids", "value: 3")],
            "6:1: value: expected text, got 3; put it in quotes",
        ),
        (
            [*RGB[1:], ("sky: 0", "sky: '#ffffff'"), with_option("rgb", "value: V//256")],
            "6:1: value: belongs to encoding: ids or masks, not rgb",
        ),
        (
            [with_option("ids", "tolerance: 3")],
            "6:1: tolerance: belongs to encoding: rgb, not ids",
        ),
        (
            [*RGB[1:], ("sky: 0", "sky: '#ffffff'"), with_option("rgb", "tolerance: 256")],
            "6:1: tolerance: expected a number at least 0 and at most 255, got 256",
        ),
        (
            [*NO_IDS, with_option("rgb", "class_file: {json: c.json}")],
            "6:1: class_file: belongs to encoding: ids, not rgb",
        ),
        (
            [
                *(*NO_IDS, ("labels/{id}", "labels/{id}_{class}")),
                with_option("soft_masks", "class_file: {json: c.json}"),
            ],
            "6:1: class_file: belongs to encoding: ids, not soft_masks",
        ),
        (
            [*NO_IDS[1:], with_option("ids", "class_file: {json: c.json}")],
            "10:3: classes.sky: expected ~, as the class file gives the ids, got 0",
        ),
        (
            [*NO_IDS, with_option("ids", "class_file: {items: labels}")],
            "6:1: class_file: the key 'json' is missing; add it",
        ),
        ([("sky: 0", "sky: ~")], f"9:3: classes.sky: expected {IDS}, got None"),
        (
            [*RGB, ("sky: 0", "sky: [1, 2, 3, 4, 5]")],
            f"9:3: classes.sky: expected {COLOUR}, got [1, 2, 3, 4, 5]",
        ),
        ([*MASKS, ("[1, 2]", "r")], f"9:3: classes.sky: expected {MASK}, got 0"),
        ([*MASKS, ("sky: 0", "sky: s")], f"10:3: classes.road: expected {MASK}, got [1, 2]"),
        (
            [*MASKS, ("sky: 0", "sky: ''"), ("[1, 2]", "r")],
            f"9:3: classes.sky: expected {MASK}, got ''",
        ),
        (
            [*MASKS, ("sky: 0", "sky: v"), ("[1, 2]", "r")],
            "11:3: classes.void: 'v' stands for 'sky' already",
        ),
        (
            [*MASKS, ("sky: 0", "sky: ~"), ("[1, 2]", "~")],
            "10:3: classes.road: ~ stands for 'sky' already",
        ),
        (
            [MASKS[0], *NO_IDS[:1], ("[1, 2]", "r"), ("void: 255", "void: v")],
            "4:1: label: the field {class} belongs to encoding: soft_masks or masks and to "
            "no other, got 'labels/{id}.png' with masks",
        ),
        ([("root:", "rot:")], "2:1: rot: unknown key; did you mean root?"),
        ([("name: toy\n", "")], "1:1: the key 'name' is missing; add it"),
        ([("name: toy", "name: 3")], "1:1: name: expected text, got 3; put it in quotes"),
        (
            [("    sky: sky\n", "    sky: 3\n")],
            "14:5: meaning.street.sky: expected text or a list of",
        ),
    ],
)
def test_a_bad_mapping_is_refused_with_its_place(changes: list[tuple[str, str]], told: str) -> None:
    (problem,) = problems(*changes)
    assert problem.startswith(f"toy.yaml:{told}")


def test_all_problems_of_a_mapping_are_told_at_once() -> None:
    found = problems(
        ("picture: images/{id}.jpg", "picture: images/{id:x}.jpg"),
        ("labels/{id}.png", "labels/{}.png"),
        ('{glob: "images/{id}.jpg"}', "{}"),
        ("sky: 0", "sky: blue"),
        ("    sky: sky\n", ""),
        ("[road, pavement]", "[road, ignore]"),
    )
    starts = ["9:3: classes.sky", "13:3: meaning.street.sky", "14:5: meaning.street.road"]
    starts += ["3:1: picture", "4:1: label", "7:3: splits.train"]
    assert [problem.split(": ")[:2] for problem in found] == [
        f"toy.yaml:{start}".split(": ") for start in starts
    ]


def test_a_mapping_without_classes_is_refused() -> None:
    text = TEXT[: TEXT.index("classes:")] + "classes: {}\nmeaning: {}\n"
    with pytest.raises(HarmonizeError) as caught:
        toy(text)
    assert str(caught.value) == "toy.yaml:8:1: classes: a data set needs at least one class"


def test_unknown_nodes_are_all_told_with_near_matches() -> None:
    spec = toy(changed(("    sky: sky", "    sky: skyy"), ("[road, pavement]", "[road, pavment]")))
    with pytest.raises(HarmonizeError) as caught:
        spec.leaf_masks(STREET)
    assert caught.value.problems == (
        "toy.yaml:14:5: meaning.street.sky: no node 'skyy' in street; did you mean sky?",
        "toy.yaml:15:18: meaning.street.road.1: no node 'pavment' in street; "
        "did you mean pavement?",
    )


def test_what_a_draft_leaves_open_is_told_as_that() -> None:
    spec = toy(changed(("    sky: sky", "    sky: TODO"), ("[road, pavement]", "[road, TODO]")))
    with pytest.raises(HarmonizeError) as caught:
        spec.leaf_masks(STREET)
    still = "still a TODO of the draft; write a node of street in its place,"
    nodes = f"choose from: {', '.join(STREET.nodes)}"
    assert caught.value.problems == (
        f"toy.yaml:14:5: meaning.street.sky: {still} or `ignore`; {nodes}",
        f"toy.yaml:15:18: meaning.street.road.1: {still} or remove it; {nodes}",
    )
    spec = toy(changed(("  street:", "  TODO_tree:")))
    with pytest.raises(HarmonizeError) as caught:
        spec.leaf_masks(STREET)
    assert caught.value.problems == (
        "toy.yaml:13:3: meaning.TODO_tree: still a TODO of the draft; write street in its place, "
        "and nodes of it below",
    )


@pytest.mark.parametrize(
    ("meaning", "told"),
    [
        ("skyy", ["14:5: meaning.street.sky"]),
        ("'skyy'", ["14:5: meaning.street.sky"]),
        ("[skyy]", ["14:11: meaning.street.sky.0"]),
        ("[sky,\n     'skyy']", ["15:6: meaning.street.sky.1"]),
        (
            "\n      - skyy\n      - sky\n      -  skyy",
            ["15:9: meaning.street.sky.0", "17:10: meaning.street.sky.2"],
        ),
    ],
)
def test_an_unknown_node_is_placed_where_it_stands(meaning: str, told: list[str]) -> None:
    spec = toy(changed(("    sky: sky", f"    sky: {meaning}")))
    with pytest.raises(HarmonizeError) as caught:
        spec.leaf_masks(STREET)
    assert caught.value.problems == tuple(
        f"toy.yaml:{place}: no node 'skyy' in street; did you mean sky?" for place in told
    )


def test_an_unknown_node_of_an_override_is_placed_there(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    override: dict[str, Value] = {"meaning.street.road": ["road", "x"], "meaning.street.sky": "y"}
    with pytest.raises(HarmonizeError) as caught:
        DatasetSpec.from_file(path, override).leaf_masks(STREET)
    assert [problem.partition(": no node ")[0] for problem in caught.value.problems] == [
        f"{path} (override): meaning.street.sky",
        f"{path} (override): meaning.street.road.1",
    ]


def test_an_ontology_without_meanings_is_refused() -> None:
    with pytest.raises(HarmonizeError) as caught:
        toy().leaf_masks(Ontology("sky", name="clouds"))
    assert str(caught.value) == (
        "toy.yaml:12:1: meaning: says nothing about the ontology 'clouds', only about street; "
        "add meaning.clouds"
    )


def test_an_unknown_split_is_refused() -> None:
    assert toy().split("train") == Split(glob="images/{id}.jpg")
    with pytest.raises(HarmonizeError) as caught:
        toy().split("trian")
    assert str(caught.value) == "toy.yaml:6:1: splits: no split 'trian'; did you mean train?"


PATHS = """
name root picture label encoding splits splits.train splits.train.glob splits.train.range
splits.train.columns classes classes.sky classes.road classes.new meaning meaning.street
meaning.street.sky meaning.street.new meaning.other about zzz
"""

WORDS = "sky road void ground ignore ids rgb soft_masks {id} {class} {id:03d} { #ff0000 #+12345"

paths, words = st.sampled_from(PATHS.split()), st.sampled_from(WORDS.split())

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70000), st.floats(), st.text(max_size=4), words
)

values = st.recursive(
    scalars,
    lambda part: st.one_of(
        st.lists(part, max_size=3), st.dictionaries(st.one_of(words, paths), part, max_size=3)
    ),
    max_leaves=6,
)

PARSED = load_text(TEXT, "toy.yaml")


@settings(max_examples=400)
@given(st.dictionaries(paths, values, max_size=3))
def test_any_values_make_a_mapping_or_are_refused(changes: dict[str, object]) -> None:
    document = deepcopy(PARSED)
    spec, masks, refused = None, [], ()
    try:
        for key, value in changes.items():
            document.set(key, cast("Value", value), source="override")
        spec = DatasetSpec.from_document(document)
        masks = spec.leaf_masks(STREET)
    except HarmonizeError as error:
        refused = error.problems
    assert all(re.match(r"toy\.yaml:\d+:\d+: |override: ", told) for told in refused)
    if spec is not None:
        assert toy(spec.text).text == spec.text
        assert refused or len(masks) == len(spec.classes)


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=40), values.map(lambda value: dump(cast("Value", value)))))
def test_any_text_is_refused_as_a_mapping(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        toy(text)
    assert all(told.startswith("toy.yaml") for told in caught.value.problems)
