"""Mappings: shipped ones against every ontology they name, bad ones refused with their places."""

import json
from pathlib import Path

import pytest

from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.config.strict_yaml import Value
from harmonize.labels.mapping import Split
from harmonize.labels.number_encodings import Ids
from toy_mapping import NO_IDS, STREET, TEXT, changed, toy


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
        f"{path} (override): classes.sky: expected an id or a list of ids and ranges such as "
        "1-200, got 'blue'"
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
