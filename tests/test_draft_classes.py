"""The classes of a drafted mapping: values, names and what they may mean."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from folder_cases import HEIGHT, SCENE, WIDTH, counts, draft, label, photo, save, write_scene
from harmonize import HarmonizeError, Ontology
from harmonize.labels.number_encodings import Rgb
from harmonize.tools.draft.by_name import ALIKE, best_node, similarity
from harmonize.tools.draft.class_tables import Entry, read_tables
from tiff_files import Kind, write_tiff


def text_of(folder: Path) -> str:
    return (folder.parent / f"{folder.name}.yaml").read_text()


def write_ids(folder: Path, ids: list[int]) -> None:
    for number in range(4):
        save(folder / "images" / f"x{number}y.jpg", photo())
        save(folder / "labels" / f"x{number}y.png", label(ids))


def test_values_without_names_are_left_to_the_user_with_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [0, 0, 0, 7])
    spec = draft(tmp_path / "set", monkeypatch)
    assert {name: one.values for name, one in spec.classes.items()} == {
        "class_0": (0,),
        "class_7": (7,),
    }
    text = text_of(tmp_path / "set")
    assert "class_0: 0  # TODO name; 75.0 %, 4 labels, labels/x0y.png" in text
    assert "TODO_tree:  # TODO: a tree, such as roads for trees/roads.txt" in text
    assert "    class_7: TODO\n" in text


def test_where_a_class_mostly_lies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        rows = np.repeat([0, 1, 2], HEIGHT // 3)[:, None]
        save(tmp_path / "set" / "gt" / f"x{number}y.png", np.broadcast_to(rows, (HEIGHT, WIDTH)))
    draft(tmp_path / "set", monkeypatch)
    text = text_of(tmp_path / "set")
    for number, place in enumerate(("upper third", "middle", "lower third")):
        assert f"class_{number}: {number}  # TODO name; 33.3 %, 4 labels, {place}, gt/" in text


def test_a_draft_cannot_be_trained_on_while_a_meaning_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [0, 1])
    (tmp_path / "tree.txt").write_text("a\nb\n")
    spec = draft(tmp_path / "set", monkeypatch, tree=tmp_path / "tree.txt")
    with pytest.raises(HarmonizeError, match="still a TODO of the draft"):
        spec.leaf_masks(Ontology.from_file(tmp_path / "tree.txt"))


@pytest.mark.parametrize(
    ("ids", "is_void"),
    [
        ([0, 1, 255], True),
        ([1, 2, 3, 255], True),
        ([0, 64, 128, 255], False),
        ([0, 85, 170, 255], False),
        ([2, 3, 255], False),
        ([0, 2, 255], False),
        ([0, 255], False),
        ([1, 255], False),
        ([253, 254, 255], False),
    ],
)
def test_255_is_void_beside_ids_that_follow_each_other_from_0_or_1_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[int], is_void: bool
) -> None:
    write_ids(tmp_path / "set", ids)
    spec = draft(tmp_path / "set", monkeypatch)
    (meaning,) = spec.meaning.values()
    name = "void" if is_void else "class_255"
    assert meaning[name] == (() if is_void else ("TODO",))
    assert all(nodes == ("TODO",) for key, nodes in meaning.items() if key != name)


def test_255_is_void_beside_ids_that_the_names_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [0, 2, 255])
    (tmp_path / "set" / "classes.txt").write_text("sky\nroad\ntree\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.classes["void"].values == (255,)


@pytest.mark.parametrize("kind", ["ids", "rgb"])
def test_values_that_are_in_one_label_alone_are_told_to_be_no_classes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        values = label([0, *range(4 * number + 1, 4 * number + 5)])
        colors = np.concatenate([np.zeros((1, 3), int), rng.integers(256, size=(30, 3))])
        pixels = values if kind == "ids" else colors[values]
        save(tmp_path / "set" / "labels" / f"x{number}y.png", pixels)
    draft(tmp_path / "set", monkeypatch)
    what = "ids" if kind == "ids" else "colours"
    told = (
        f"24 of 24 {what} are in one label alone: segment or instance ids, not classes; look for "
        "other label files, which say the class of each pixel"
    )
    assert f"# {told}\n" in text_of(tmp_path / "set")
    assert f"note: {told}\n" in capsys.readouterr().out


def test_few_classes_in_few_labels_are_not_taken_for_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label([0, number + 1]))
    draft(tmp_path / "set", monkeypatch)
    assert "instance" not in text_of(tmp_path / "set")


def write_numbers(folder: Path, values: list[float], kind: str) -> None:
    """Write labels as TIFF files of one channel."""
    for number in range(4):
        save(folder / "images" / f"x{number}y.jpg", photo())
        (folder / "labels").mkdir(exist_ok=True)
        pixels = np.array(values)[label(range(len(values)))].astype(kind)
        write_tiff(folder / "labels" / f"x{number}y.tif", pixels, Kind())


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "f8"])
def test_no_data_and_whole_floats_are_drafted_as_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write_numbers(tmp_path / "set", [-9999, 0, 1, 2], kind)
    spec = draft(tmp_path / "set", monkeypatch)
    found = {name: one.values[0] for name, one in spec.classes.items()}
    assert found == {"class_-9999": -9999, "class_0": 0, "class_1": 1, "class_2": 2}
    assert spec.encoding.name == "ids"
    assert counts(spec, tmp_path / "set") == {"all": 4}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1 / 3, 2 / 3, 1], "how ids are made of them: `value: V*3`"),
        ([np.nan, 0, 1, 2], "holds no number (NaN or infinity) in 240 pixels; write an id of its"),
        ([-3.4e38, 0, 1, 2], "holds -3.4e+38, which is no id, in 240 pixels; write an id of its"),
    ],
)
def test_floats_that_are_no_ids_are_refused_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[float], told: str
) -> None:
    write_numbers(tmp_path / "set", values, "f4")
    with pytest.raises(HarmonizeError) as caught:
        draft(tmp_path / "set", monkeypatch)
    assert told in str(caught.value)
    assert "photographs" not in str(caught.value)


def test_255_is_void_as_a_guess_unless_it_is_one_of_two_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "void", [0, 1, 255])
    draft(tmp_path / "void", monkeypatch)
    assert "void: 255   # guess; 32.5 %" in text_of(tmp_path / "void")
    assert "void: ignore  # guess: 255 usually marks" in text_of(tmp_path / "void")
    write_ids(tmp_path / "mask", [0, 255])
    spec = draft(tmp_path / "mask", monkeypatch)
    assert list(spec.classes) == ["class_0", "class_255"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("class_dict.csv", "{name},{r},{g},{b}"),
        ("label_colors.txt", "{r} {g} {b}\t\t{name}"),
        ("labelmap.txt", "{name}:{r},{g},{b}::"),
        ("colors.txt", "#{r:02x}{g:02x}{b:02x} {name}"),
    ],
)
def test_colours_take_their_names_from_the_folder_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, row: str
) -> None:
    write_scene(tmp_path / "set")
    lines = [row.format(name=key, r=r, g=g, b=b) for key, (r, g, b) in SCENE.items()]
    head = ["name,r,g,b"] if name.endswith(".csv") else []
    (tmp_path / "set" / name).write_text("\n".join([*head, *lines]) + "\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert list(spec.classes) == list(SCENE)
    red, green, blue = SCENE["Building"]
    assert spec.classes["Building"].values == (red << 16 | green << 8 | blue,)
    meaning = spec.meaning["camvid"]  # of those that fit alike, the smallest
    assert (meaning["Tree"], meaning["Building"], meaning["Void"]) == (("tree",), ("building",), ())
    assert f'Sky: "#808080"       # guess: {name}; ' in text_of(tmp_path / "set")


def test_colours_without_names_are_named_by_their_hex(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.classes["class_804080"].values == (0x804080,)
    assert len(spec.classes) == len(SCENE)
    assert spec.meaning["TODO_tree"]["class_804080"] == ("TODO",)


def test_varying_opacity_is_part_of_the_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        ids = label([0, 1, 2])
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        colors = np.dstack([ids * 50, ids, ids, 255 - ids])
        save(tmp_path / "set" / "labels" / f"x{number}y.png", colors)
    spec = draft(tmp_path / "set", monkeypatch)
    assert {name: one.values for name, one in spec.classes.items()} == {
        "class_000000ff": (0xFF000000,),
        "class_320101fe": (0xFE320101,),
        "class_640202fd": (0xFD640202,),
    }


def test_blurred_edges_of_colours_become_a_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        colors = np.array(list(SCENE.values()))[label([0, 1, 2])].astype(np.uint8)
        small = Image.fromarray(colors).resize((160, 96), Image.Resampling.BILINEAR)
        blurred = np.asarray(small.filter(ImageFilter.GaussianBlur(2)))
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo(96, 160))
        save(tmp_path / "set" / "labels" / f"x{number}y.png", blurred)
    spec = draft(tmp_path / "set", monkeypatch)
    assert set(spec.classes) == {"class_808080", "class_800000", "class_804080"}
    assert isinstance(spec.encoding, Rgb)
    assert 0 < spec.encoding.tolerance < 80


def test_equal_channels_are_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        save(tmp_path / "set" / "labels" / f"x{number}y.png", np.dstack([label([0, 1, 2])] * 3))
    spec = draft(tmp_path / "set", monkeypatch)
    assert repr(spec.encoding) == "Ids(formula=ValueFormula('R'))"


def test_a_single_soft_mask_is_parted_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = np.concatenate([np.zeros(60), np.linspace(0, 255, 14), np.full(46, 255)])
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo(8, 120))
        save(tmp_path / "set" / "mattes" / f"x{number}y.png", np.broadcast_to(row, (8, 120)))
    spec = draft(tmp_path / "set", monkeypatch)
    assert repr(spec.encoding) == "Ids(formula=ValueFormula('V//128'))"
    assert [one.values for one in spec.classes.values()] == [(0,), (1,)]


def test_masks_are_ordered_from_wide_to_narrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.jpg", photo())
        for place, name in enumerate(("nose", "skin", "eye_g", "hair")):
            mask = label([0] * (4 - place) + [255] * (place + 1))
            save(tmp_path / "set" / "masks" / f"x{number}y_{name}.png", mask)
    spec = draft(tmp_path / "set", monkeypatch)
    assert list(spec.classes) == ["background", "hair", "eye_g", "skin", "nose"]
    assert spec.classes["background"].mask is None
    meaning = spec.meaning["faces_full"]
    assert meaning["eye_g"] == ("glasses",)
    assert meaning["skin"] == ("face_skin",)  # less the nose, which is another class


def test_ids_are_named_by_position_from_0_or_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "zero", [0, 1, 2])
    (tmp_path / "zero" / "classes.txt").write_text("sky\nroad\ntree\n")
    assert list(draft(tmp_path / "zero", monkeypatch).classes) == ["sky", "road", "tree"]
    write_ids(tmp_path / "one", [0, 1, 3])
    (tmp_path / "one" / "classes.txt").write_text("sky\nroad\ntree\n")
    spec = draft(tmp_path / "one", monkeypatch, tree=Path("trees/roads.txt"))
    assert {name: one.values[0] for name, one in spec.classes.items()} == {
        "class_0": 0,
        "sky": 1,
        "road": 2,
        "tree": 3,
    }
    text = text_of(tmp_path / "one")
    assert "class_0: 0  # TODO name, which classes.txt (lines from 1) leaves out" in text
    assert "road: 2     # guess: classes.txt (lines from 1); not in the labels" in text


ROOMS = {"wall": 1, "floor": 2, "door": 3, "ceiling": 4}


@pytest.mark.parametrize(
    "table",
    [
        [{"id": str(number), "name": name} for name, number in ROOMS.items()],
        [{"class_name": name, "png_index": number} for name, number in ROOMS.items()],
        {"labels": [{"id": float(number), "name": name} for name, number in ROOMS.items()]},
        {name: str(number) for name, number in ROOMS.items()},
        {str(number): name for name, number in ROOMS.items()},
    ],
)
def test_ids_that_a_file_gives_are_taken_and_what_it_leaves_out_is_a_todo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: object
) -> None:
    write_ids(tmp_path / "set", [0, 1, 2, 3])
    (tmp_path / "set" / "labels.json").write_text(json.dumps(table))
    (tmp_path / "set" / "classes.txt").write_text("\n".join(ROOMS))  # fits as well, but guesses
    spec = draft(tmp_path / "set", monkeypatch)
    ids = {name: one.values[0] for name, one in spec.classes.items()}
    assert ids == {"class_0": 0, **ROOMS}
    assert "class_0: 0  # TODO name, which labels.json leaves out" in text_of(tmp_path / "set")
    (meaning,) = spec.meaning.values()
    assert meaning["class_0"] == ("TODO",)
    assert "gives no ids" not in text_of(tmp_path / "set")


@pytest.mark.parametrize("table", ["twice", "unread"])
def test_ids_that_are_not_understood_are_not_replaced_by_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    write_ids(tmp_path / "set", [0, 1, 2, 3])
    keys = {
        "twice": lambda number: {"png": number, "order": number + 1},
        "unread": lambda number: {"id": f"n{number}"},
    }
    rows = [{"name": name, **keys[table](number)} for name, number in ROOMS.items()]
    (tmp_path / "set" / "labels.json").write_text(json.dumps(rows))
    spec = draft(tmp_path / "set", monkeypatch)
    assert list(spec.classes) == ["class_0", "class_1", "class_2", "class_3"]


@pytest.mark.parametrize(
    ("ids", "first", "doubt"),
    [
        ([0, 1, 2, 3], "wall", "fits as well with 0 unlabelled"),
        ([1, 2, 3], "wall", "fits as well\n"),
        ([0, 2, 255], "wall", "fits as well with 0 unlabelled"),
        ([0, 1, 2, 3], "void", ""),
        ([0, 1, 4], "wall", ""),
    ],
)
def test_where_lines_can_be_counted_from_0_and_from_1_the_draft_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[int], first: str, doubt: str
) -> None:
    write_ids(tmp_path / "set", ids)
    (tmp_path / "set" / "classes.txt").write_text("\n".join([first, *list(ROOMS)[1:]]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.classes[first].values == (int(4 in ids),)
    told = "# classes.txt gives no ids: it is read as 0 for wall, 3 for ceiling; 1 for wall, 4 for "
    assert (told in text_of(tmp_path / "set")) == bool(doubt)
    assert doubt in text_of(tmp_path / "set")
    asked = re.findall(r"(\w+): TODO +# is (\d) (\w+)\? See above", text_of(tmp_path / "set"))
    least = min(ids)
    name = [first, *list(ROOMS)[1:]][least]
    assert asked == ([(name, str(least), name)] if doubt else [])


def test_names_that_do_not_explain_the_values_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [3, 40, 41])
    (tmp_path / "set" / "classes.txt").write_text("sky\nroad\ntree\n")
    assert "class_40" in draft(tmp_path / "set", monkeypatch).classes


def test_labels_beyond_those_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ids(tmp_path / "set", [0, 1, 2])
    draft(tmp_path / "set", monkeypatch, scan=2)
    assert "# Only 2 of 4 labels were read" in text_of(tmp_path / "set")
    assert "`--scan 4` reads all." in text_of(tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "text", "entries"),
    [
        ("a.json", json.dumps([{"name": "x", "id": 3}, {"name": "y", "id": 5}]), [3, 5]),
        (
            "a.json",
            json.dumps({"categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]}),
            [1, 2],
        ),
        ("a.json", json.dumps({"0": "x", "7": "y"}), [0, 7]),
        ("a.json", json.dumps({"x": 4, "y": 2}), [4, 2]),
        ("a.json", json.dumps({"names": ["x", "y"]}), [0, 1]),
        ("ids.txt", "# id name\n0 x\n1 y\n", [0, 1]),
        ("ids.txt", "#id,name\n# made by hand\n0,x\n1,y\n", [0, 1]),
        ("ids.txt", "# classes\nid: name\n0: x\n1: y\n", [0, 1]),
        ("classes.txt", "# one per line\nx\ny\n", [0, 1]),
        ("a.json", json.dumps([{"name": "x", "id": "3"}, {"name": "y", "id": " 5 "}]), [3, 5]),
        ("a.json", json.dumps([{"name": "x", "ID": 3.0}, {"name": "y", "ID": "5.0"}]), [3, 5]),
        (
            "a.json",
            json.dumps([{"class_name": n, "png_index": i} for n, i in [("x", 3), ("y", 5)]]),
            [3, 5],
        ),
        (
            "a.json",
            json.dumps([{"label": n, "grey": i, "thing": 1} for n, i in [("x", "3"), ("y", "5")]]),
            [3, 5],
        ),
        ("a.json", json.dumps([{"name": "x", "thing": 1}, {"name": "y", "thing": 1}]), [0, 1]),
        (
            "a.json",
            json.dumps([{"name": "x", "a": 1, "b": 3}, {"name": "y", "a": 2, "b": 4}]),
            [None] * 2,
        ),
        ("a.json", json.dumps([{"name": "x", "id": "n1"}, {"name": "y", "id": "n2"}]), [None] * 2),
        ("a.json", json.dumps({"x": "4", "y": "2"}), [4, 2]),
        ("a.json", json.dumps({"x": "000004", "y": "808080"}), [None] * 2),
        ("ids.txt", "0 x\n1 y\n", [0, 1]),
        ("ids.txt", "x 4\ny 5\n", [4, 5]),
        ("ids.csv", "id;name\n4;x\n5;y\n", [4, 5]),
        ("full.csv", "id,name,r,g,b\n4,x,1,2,3\n5,y,4,5,6\n", [4, 5]),
        ("labels.txt", "x\ny\n", [0, 1]),
        ("readme.txt", "x\ny\n", None),
        ("a.json", "{", None),
        ("a.json", json.dumps([{"name": "x"}, {"name": "x"}]), None),
    ],
)
def test_tables_of_classes_are_read_in_many_forms(
    tmp_path: Path, name: str, text: str, entries: Sequence[int | None] | None
) -> None:
    (tmp_path / name).write_text(text)
    tables = read_tables(tmp_path, name)
    if entries is None:
        assert tables == []
    else:
        assert [(one.name, one.id) for one in tables[0].entries] == list(
            zip(["x", "y"], entries, strict=True)
        )


def test_a_table_may_hold_ids_and_colours(tmp_path: Path) -> None:
    (tmp_path / "full.csv").write_text("id,name,r,g,b\n4,a b,1,2,3\n5,y,4,5,6\n")
    assert read_tables(tmp_path, "full.csv")[0].entries == (
        Entry("a b", 4, 0x010203),
        Entry("y", 5, 0x040506),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:255,0,16::\n"),
        ("labelmap.txt", "sky:0,0,0::\nroad:255,0,16:lane,edge:drive\n"),
        ("a.json", json.dumps({"#000000": "sky", "#ff0010": "road"})),
        ("a.json", json.dumps({"0, 0, 0": "sky", "(255, 0, 16)": "road"})),
        ("a.json", json.dumps({"sky": "#000000", "road": "#ff0010"})),
        ("colors.txt", "#000000 sky\n#ff0010 road\n"),
        ("colors.txt", "# colour name\n0 0 0 sky\n255 0 16 road\n"),
    ],
)
def test_colours_of_classes_are_read_in_many_forms(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_tables(tmp_path, name)[0].entries == (
        Entry("sky", None, 0),
        Entry("road", None, 0xFF0010),
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("{id},road; paved,1,2,3", "road; paved"),
        ("{id},road:paved,1,2,3", "road:paved"),
        ('{id},"road, paved",1,2,3', "road, paved"),
        ("{id};road, paved;1;2;3", "road, paved"),
        ("{id}\troad, paved; old:new\t1\t2\t3", "road, paved; old:new"),
        ("{id} road:paved 1 2 3", "road:paved"),
        ("{id}: road:paved", "road:paved"),
        ("{id}: road, paved", "road, paved"),
        ("{id},road,paved", "road,paved"),
    ],
)
def test_names_of_classes_are_kept_as_they_are_written(
    tmp_path: Path, line: str, name: str
) -> None:
    lines = [line.format(id=0), line.format(id=1).replace("road", "street")]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    entries = read_tables(tmp_path, "a.csv")[0].entries
    assert [(one.name, one.id) for one in entries] == [
        (name, 0),
        (name.replace("road", "street"), 1),
    ]


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("l_brow", "left_eyebrow"),
        ("l_lip", "lower_lip"),
        ("u_lip", "upper_lip"),
        ("RightEye", "right_eye"),
        ("Hair", "hair"),
        ("mouth_interior", "inner_mouth"),
        ("top lip", "upper_lip"),
        ("cloth", "clothing"),
        ("hat", "headwear"),
        ("eyeglasses", "glasses"),
        ("facial hair", "beard"),
        ("human--face--nose", "nose"),
        ("neck, throat", "neck"),
    ],
)
def test_names_find_their_nodes(repo: Path, name: str, node: str) -> None:
    tree = Ontology.from_file(repo / "trees" / "faces_full.txt")
    found, score = best_node(name, tree)
    assert (found, score >= ALIKE) == (node, True)


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("train", "terrain"),
        ("left_eye", "right_eye"),
        ("car", "cart"),
        ("chair", "hair"),
        ("Ground", "other_ground"),
        ("other", "sign_other"),
        ("object--sign--other", "ceiling_other"),
    ],
)
def test_other_names_stay_apart(name: str, node: str) -> None:
    assert similarity(name, node) < ALIKE


def test_a_numbered_list_of_pictures_names_no_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [0, 1, 2])
    (tmp_path / "set" / "train.txt").write_text("1 , x0y\n2 , x1y\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert list(spec.classes) == ["class_0", "class_1", "class_2"]
    assert spec.splits["train"].columns == ("column_1", "id")


@pytest.mark.parametrize(
    ("name", "node"), [("ground-other", "other_ground"), ("other vehicle", "vehicle")]
)
def test_what_is_left_of_a_thing_means_that_or_the_thing(name: str, node: str) -> None:
    assert similarity(name, node) >= ALIKE


def test_a_leaf_for_what_is_left_speaks_for_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["Sky", "Buildings", "Ground", "Vegetation", "Vehicle", "Person"]
    write_ids(tmp_path / "set", [*range(len(names))])
    lines = (f"{number} {name}\n" for number, name in enumerate(names))
    (tmp_path / "set" / "classes.txt").write_text("".join(lines))
    spec = draft(tmp_path / "set", monkeypatch)
    meant = {name: (name.lower(),) for name in names} | {"Ground": ("TODO",)}
    assert spec.meaning == {"roads": meant}


def test_a_leaf_for_what_is_left_is_no_guess_for_a_class_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ids(tmp_path / "set", [0, 1, 2])
    (tmp_path / "set" / "classes.txt").write_text("0 Ground\n1 Sky\n2 Person\n")
    (tmp_path / "tree.txt").write_text("flat\n\troad\n\tpath\nsky\nperson\nother_ground\n")
    spec = draft(tmp_path / "set", monkeypatch, tree=tmp_path / "tree.txt")
    assert spec.meaning["tree"] == {"Ground": ("TODO",), "Sky": ("sky",), "Person": ("person",)}
    assert "Ground: TODO    # nearest name: other_ground (0.70)" in text_of(tmp_path / "set")
