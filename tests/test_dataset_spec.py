"""Mappings: shipped ones against every ontology they name, bad ones refused with their places."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.config.strict_yaml import Value, dump, load_file, load_text
from harmonize.labels.mapping import Split
from harmonize.labels.number_encodings import Ids

REPO = Path(__file__).parents[1]
MAPPINGS = sorted((REPO / "datasets").glob("*.yaml"))
SERVED = [
    (path.stem, ontology)
    for path in MAPPINGS
    for ontology in cast("dict[str, Value]", load_file(path).get(("meaning",)))
]

TEXT = """\
name: toy
root: data/toy
picture: images/{id}.jpg
label: labels/{id}.png
encoding: ids
splits:
  train: {glob: "images/{id}.jpg"}
classes:
  sky: 0
  road: [1, 2]
  void: 255
meaning:
  street:
    sky: sky
    road: [road, pavement]
    void: ignore
"""
STREET = Ontology("sky\nground\n\troad\n\tpavement\n\tgrass\n", name="street")


def toy(text: str = TEXT) -> DatasetSpec:
    return DatasetSpec.from_document(load_text(text, "toy.yaml"))


def changed(*changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def problems(*changes: tuple[str, str]) -> tuple[str, ...]:
    with pytest.raises(HarmonizeError) as caught:
        toy(changed(*changes))
    return caught.value.problems


def shipped(name: str) -> DatasetSpec:
    return DatasetSpec.from_file(REPO / "datasets" / f"{name}.yaml")


def meant(name: str, ontology: str) -> dict[str, set[str]]:
    """Return the leaves that each class of a shipped mapping means."""
    tree = Ontology.from_file(REPO / "trees" / f"{ontology}.txt")
    spec = shipped(name)
    rows = zip(spec.classes, spec.leaf_masks(tree), strict=True)
    return {key: {tree.leaves[leaf] for leaf in np.flatnonzero(mask)} for key, mask in rows}


def test_a_small_mapping_is_what_it_says() -> None:
    spec = toy()
    assert (spec.name, spec.root, spec.about) == ("toy", "data/toy", "")
    assert spec.encoding == Ids()
    assert spec.picture.fill({"id": 7}) == "images/7.jpg"
    assert spec.label.fill({"id": 7}) == "labels/7.png"
    assert spec.splits == {"train": Split(glob="images/{id}.jpg")}
    values = {name: one.values for name, one in spec.classes.items()}
    assert values == {"sky": (0,), "road": (1, 2), "void": (255,)}
    assert spec.meaning == {"street": {"sky": ("sky",), "road": ("road", "pavement"), "void": ()}}
    assert spec.leaf_masks(STREET).astype(int).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]


def test_masks_follow_the_classes_not_the_order_of_the_meanings() -> None:
    spec = toy(changed(("    sky: sky\n", ""), ("void: ignore\n", "void: ignore\n    sky: sky\n")))
    assert list(spec.meaning["street"]) == ["sky", "road", "void"]
    assert spec.leaf_masks(STREET).tolist() == toy().leaf_masks(STREET).tolist()


def test_ignore_may_stand_in_a_list_of_its_own() -> None:
    assert toy(changed(("void: ignore", "void: [ignore]"))).meaning["street"]["void"] == ()


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("[255, 0, 16]", (0xFF0010,)),
        ("'#ff0010'", (0xFF0010,)),
        ("'#FF0010'", (0xFF0010,)),
        ("[[0, 0, 1], '#000002']", (1, 2)),
        ("['#000002', [0, 0, 1]]", (2, 1)),
        ("[0, 0, 0]", (0,)),
    ],
)
def test_colours_are_written_as_lists_or_in_hexadecimal(
    written: str, values: tuple[int, ...]
) -> None:
    text = changed(
        ("encoding: ids", "encoding: rgb"),
        ("sky: 0", f"sky: {written}"),
        ("[1, 2]", "[9, 9, 9]"),
        ("void: 255", "void: [8, 8, 8]"),
    )
    assert toy(text).classes["sky"].values == values


def test_the_text_of_a_mapping_reads_back_as_the_same_mapping() -> None:
    spec = toy()
    spec.document.set("classes.sky", 5, source="here")
    again = toy(DatasetSpec.from_document(spec.document).text)
    assert again.classes["sky"].values == (5,)
    assert again.text == spec.text
    assert (again.meaning, again.splits) == (spec.meaning, spec.splits)


def test_overrides_replace_values_by_dotted_path(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    override: dict[str, Value] = {"label": "masks/{id}.png", "meaning.street.road": "ground"}
    spec = DatasetSpec.from_file(path, override)
    assert spec.label.text == "masks/{id}.png"
    assert spec.leaf_masks(STREET)[1].tolist() == [False, True, True, True]
    with pytest.raises(HarmonizeError) as caught:
        DatasetSpec.from_file(path, {"classes.sky": "blue"})
    assert str(caught.value) == (
        f"{path} (override): classes.sky: expected an id of at least 0 or a list of ids, got 'blue'"
    )


def test_the_leaves_of_classes_are_found_once_and_each_caller_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, calls = toy(), list[object]()
    found = Ontology.leaf_mask
    monkeypatch.setattr(Ontology, "leaf_mask", lambda *a: (calls.append(a), found(*a))[1])
    first = spec.leaf_masks(STREET)
    expected = first.tolist()
    first[:] = True
    number = len(calls)
    assert number == len(spec.classes)
    assert spec.leaf_masks(STREET).tolist() == expected
    assert len(calls) == number
    other = Ontology("sky\nroad\npavement\n", name="street")  # the name alone says too little
    assert spec.leaf_masks(other).shape == (3, 3)


def test_the_options_of_a_mapping_are_off_unless_written() -> None:
    spec = toy()
    assert (spec.encoding, spec.class_file, spec.resize_picture) == (Ids(), None, False)
    split = spec.splits["train"]
    assert (split.skip, split.where) == (0, {})


def test_the_options_of_ids_are_read() -> None:
    text = changed(
        ("encoding: ids", "encoding: ids\nvalue: V//256\nresize_picture: true"),
        ("sky: 0", "sky: 70000"),
    )
    spec = toy(text)
    assert (repr(spec.encoding), spec.resize_picture) == (
        "Ids(formula=ValueFormula('V//256'))",
        True,
    )
    assert spec.classes["sky"].values == (70000,)
    assert toy(spec.text).text == spec.text


def test_lists_may_skip_lines_and_keep_some_numbers() -> None:
    split = "{list: a.txt, skip: 1, columns: [id, n], where: {n: [3, 9]}}"
    spec = toy(changed(('{glob: "images/{id}.jpg"}', split)))
    assert spec.splits["train"] == Split(
        list="a.txt", skip=1, columns=("id", "n"), where={"n": (3, 9)}
    )


NO_IDS = [("sky: 0", "sky: ~"), ("[1, 2]", "~"), ("void: 255", "void: ~")]
CLASS_FILE = "encoding: ids\nclass_file: {json: c.json, items: categories, name: title, id: id}"


def test_a_class_file_gives_the_ids_once_the_folder_is_known(tmp_path: Path) -> None:
    spec = toy(changed(("encoding: ids", CLASS_FILE), *NO_IDS))
    assert [(one.name, one.values) for one in spec.classes.values()] == [
        *(("sky", ()), ("road", ()), ("void", ())),
    ]
    ids = {"void": 9, "road": 2, "sky": 70000}
    items = [{"title": name, "id": number} for name, number in ids.items()]
    (tmp_path / "c.json").write_text(json.dumps({"categories": items}))
    known = spec.with_ids(tmp_path)
    values = {name: one.values for name, one in known.classes.items()}
    assert values == {"sky": (70000,), "road": (2,), "void": (9,)}
    assert known.meaning == spec.meaning
    assert toy().with_ids(tmp_path).classes == toy().classes


def test_masks_are_named_by_the_text_in_their_files() -> None:
    text = changed(
        ("encoding: ids", "encoding: masks"),
        ("labels/{id}", "labels/{id}_{class}"),
        ("sky: 0", "sky: ~"),
        ("[1, 2]", "r_oad"),
        ("void: 255", "void: '255'"),
    )
    classes = toy(text).classes.values()
    assert [(one.name, one.values, one.mask) for one in classes] == [
        ("sky", (), None),
        ("road", (), "r_oad"),
        ("void", (), "255"),
    ]


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_every_shipped_mapping_loads_and_is_named_after_its_file(path: Path) -> None:
    spec = DatasetSpec.from_file(path)
    assert path.stem.startswith(spec.name)  # no version: a dot would part a dotted path
    assert spec.about
    assert spec.root
    assert spec.name.startswith(spec.root.removeprefix("data/"))  # two may describe one package
    assert "train" in spec.splits
    assert {"val", "test"} & spec.splits.keys()
    assert spec.meaning


@pytest.mark.parametrize(("name", "ontology"), SERVED)
def test_every_shipped_mapping_fits_each_ontology_it_names(name: str, ontology: str) -> None:
    tree = Ontology.from_file(REPO / "trees" / f"{ontology}.txt")
    spec = shipped(name)
    masks = spec.leaf_masks(tree)
    assert masks.shape == (len(spec.classes), len(tree.leaves))
    ignored = {key for key, mask in zip(spec.classes, masks, strict=True) if not mask.any()}
    if ontology not in ("roads", "vistas"):  # theirs are in test_road_mappings
        assert ignored <= {"void", "ignore"}
    sets = {mask.tobytes() for mask in masks}
    assert {mask[tree.mirror].tobytes() for mask in masks} == sets  # flipping knows every class


def test_the_shipped_mappings_serve_these_ontologies() -> None:
    expected = {("helen", "faces"), ("helen", "faces_full"), ("lfw_parts", "faces")}
    expected |= {("lfw_parts", "faces_full"), ("camvid", "camvid"), ("camvid", "vistas")}
    expected |= {("face_synthetics", "faces"), ("face_synthetics", "faces_full")}
    expected |= {
        (name, ontology)
        for name in ("celebamask_hq", "lapa", "ibugmask")
        for ontology in ("faces", "faces_full")
    }
    expected |= {("voc", "voc"), ("ade20k", "ade20k")}
    assert expected <= set(SERVED)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        (
            "helen",
            "background face_skin left_eyebrow right_eyebrow left_eye right_eye nose upper_lip "
            "inner_mouth lower_lip hair",
        ),
        (
            "face_synthetics",
            "background skin nose right_eye left_eye right_brow left_brow right_ear left_ear "
            "mouth_interior top_lip bottom_lip neck hair beard clothing glasses headwear facewear",
        ),
        (
            "camvid",
            "sky building pole road pavement tree sign_symbol fence car pedestrian bicyclist void",
        ),
    ],
)
def test_shipped_ids_are_those_of_the_data_sets(name: str, classes: str) -> None:
    values = {key: one.values for key, one in shipped(name).classes.items()}
    expected = {key: (number,) for number, key in enumerate(classes.split())}
    if name == "face_synthetics":
        expected["ignore"] = (255,)
    assert values == expected


def test_the_colours_of_lfw_parts_are_blue_green_and_red() -> None:
    values = {key: one.values for key, one in shipped("lfw_parts").classes.items()}
    assert values == {"background": (0x0000FF,), "skin": (0x00FF00,), "hair": (0xFF0000,)}


def test_helen_labels_the_leaves_of_the_face_tree_one_to_one() -> None:
    assert meant("helen", "faces") == {name: {name} for name in shipped("helen").classes}


def test_lfw_parts_labels_the_face_tree_coarsely() -> None:
    faces = set(meant("helen", "faces"))
    assert meant("lfw_parts", "faces") == {
        "background": {"background"},
        "skin": faces - {"background", "hair"},
        "hair": {"hair"},
    }


def test_the_classes_of_helen_and_lfw_parts_cover_the_full_face_tree() -> None:
    leaves = set(Ontology.from_file(REPO / "trees" / "faces_full.txt").leaves)
    helen, lfw = meant("helen", "faces_full"), meant("lfw_parts", "faces_full")
    assert set().union(*helen.values()) == leaves
    assert set().union(*lfw.values()) == leaves
    assert helen["face_skin"] == {"face_skin", "beard", "glasses", "facewear"}
    assert lfw["hair"] == {"hair", "beard"}
    assert lfw["background"] == {"background", "headwear", "clothing"}


def test_the_paths_of_the_shipped_mappings_are_those_on_disk() -> None:
    helen, lfw = shipped("helen"), shipped("lfw_parts")
    assert helen.picture.fill({"id": "232194_1"}) == "images/232194_1.jpg"
    mask = helen.label.fill({"id": "232194_1", "class": 3})
    assert mask == "labels/232194_1/232194_1_lbl03.png"
    person = {"person": "Ada_Example", "number": "7"}
    assert lfw.picture.fill(person) == "lfw_funneled/Ada_Example/Ada_Example_0007.jpg"
    assert lfw.label.fill(person) == "parts_lfw_funneled_gt_images/Ada_Example_0007.*"
    assert shipped("face_synthetics").label.fill({"id": 42}) == "000042_seg.png"


IDS = "an id of at least 0 or a list of ids"
COLOUR = "a colour such as [255, 0, 0] or '#ff0000', or a list of colours"
SOFT = (("encoding: ids", "encoding: soft_masks"), ("labels/{id}", "labels/{id}_{class}"))
RGB = (("encoding: ids", "encoding: rgb"), ("[1, 2]", "[1, 2, 3]"), ("255", "'#0000ff'"))
MASK = "the text that stands in the mask's file name, or ~ for what no mask covers"
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
        ([("[1, 2]", "[1, -2]")], f"10:3: classes.road: expected {IDS}, got [1, -2]"),
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
            "got [1, 2]",
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
            "5:1: encoding: expected one of ids, rgb, soft_masks, masks, got 'id'",
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
            "6:1: value: belongs to encoding: ids, not rgb",
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


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder without ``HARMONIZE_DATA``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARMONIZE_DATA", raising=False)
    return tmp_path


def test_the_folder_is_the_given_root_then_the_environments_then_the_mappings(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("given", "env/toy", "data/toy"):
        (places / folder).mkdir(parents=True)
    assert toy().folder({"other": "given"}) == Path("data/toy")
    monkeypatch.setenv("HARMONIZE_DATA", str(places / "env"))
    assert toy().folder({}) == places / "env" / "toy"
    assert toy().folder({"toy": "given"}) == Path("given")


def test_an_environment_without_the_data_set_falls_back_on_the_mapping(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places / "data" / "toy").mkdir(parents=True)
    monkeypatch.setenv("HARMONIZE_DATA", str(places / "env"))
    assert toy().folder({}) == Path("data/toy")
    monkeypatch.setenv("HARMONIZE_DATA", "")
    assert toy().folder({}) == Path("data/toy")


def test_a_given_root_that_does_not_exist_is_not_passed_over(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places / "data" / "toy").mkdir(parents=True)
    monkeypatch.setenv("HARMONIZE_DATA", str(places))
    with pytest.raises(HarmonizeError) as caught:
        toy().folder({"toy": "nowhere"})
    assert str(caught.value) == (
        "toy: the data set's folder was not found; looked in nowhere; say data.roots.toy=FOLDER"
    )


def test_a_folder_that_is_nowhere_names_the_places_tried(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARMONIZE_DATA", str(places))
    (places / "toy").write_text("a file, not a folder")
    with pytest.raises(HarmonizeError) as caught:
        toy().folder({})
    assert str(caught.value) == (
        f"toy: the data set's folder was not found; looked in {places}/toy, data/toy; "
        "say data.roots.toy=FOLDER"
    )


@pytest.mark.usefixtures("places")
def test_a_mapping_without_a_root_has_no_place_to_try() -> None:
    with pytest.raises(HarmonizeError) as caught:
        toy(changed(("root: data/toy\n", ""))).folder({})
    assert str(caught.value) == (
        "toy: the data set's folder was not found; say data.roots.toy=FOLDER"
    )


def test_a_tilde_in_a_root_is_the_home_folder(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(places))
    (places / "sets").mkdir()
    assert toy().folder({"toy": "~/sets"}) == places / "sets"
    with pytest.raises(HarmonizeError, match="looked in ~no_such_user_/sets;"):
        toy().folder({"toy": "~no_such_user_/sets"})


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
