"""What a user writes by mistake, or another on purpose, takes seconds and not hours."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError, cli
from harmonize.config.strict_yaml import load_text
from harmonize.data.index import list_files
from harmonize.errors import near_matches
from harmonize.labels import mapping as mapping_keys
from harmonize.labels.class_file import ClassFile
from harmonize.labels.class_table import ClassTable, DataClass
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mask_encodings import fitting_names

_SECONDS = 15.0
"""Of processor time: ten times what it takes."""


def mapping(
    classes: list[str], meaning: list[str], *, split: str = "{range: [0, 0]}", value: str = ""
) -> str:
    return (
        'name: big\nroot: data\npicture: "{id}.png"\nlabel: "{id}_ids.png"\nencoding: ids\n'
        + (f"value: {value}\n" if value else "")
        + f"splits: {{train: {split}}}\nclasses:\n"
        + "".join(f"  {name}: {number}\n" for number, name in enumerate(classes))
        + "meaning:\n  big:\n"
        + "".join(f"    {name}: {node}\n" for name, node in zip(classes, meaning, strict=True))
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of 2000 leaves in 40 groups, and one picture, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARMONIZE_DATA", raising=False)
    groups = [
        [f"group{group}", *(f"\tleaf{50 * group + leaf}" for leaf in range(50))]
        for group in range(40)
    ]
    Path("big.txt").write_text("\n".join(line for group in groups for line in group) + "\n")
    Path("data").mkdir()
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("data/0.png")
    ids = np.arange(2000).reshape(40, 50) % 1000
    Image.fromarray(ids.astype(np.uint16)).save("data/0_ids.png")
    return tmp_path


def checked(capsys: pytest.CaptureFixture[str], text: str) -> list[str]:
    """Check a mapping within the time; return what is told."""
    Path("big.yaml").write_text(text)
    began = time.process_time()
    cli.main(["check", "big.yaml", "big.txt"])
    assert time.process_time() - began < _SECONDS
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("folder")
def test_a_thousand_classes_of_two_thousand_leaves_are_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    classes = [f"class{n}" for n in range(1000)]
    told = checked(capsys, mapping(classes, [f"leaf{2 * n}" for n in range(1000)]))
    assert told[-2:] == [
        "big.txt: a tree of 2000 leaves and 2 depths",
        "40 problems",
    ]
    assert told[0].startswith("big.yaml:")
    assert "of 'group0', big labels leaf0, leaf2, leaf4" in told[0]


@pytest.mark.usefixtures("folder")
def test_a_thousand_slips_have_their_near_matches(capsys: pytest.CaptureFixture[str]) -> None:
    classes = [f"class{n}" for n in range(1000)]
    told = checked(capsys, mapping(classes, [f"laef{n}" for n in range(1000)]))
    assert len(told) == 1002
    assert "did you mean leaf" in told[700]


@pytest.mark.usefixtures("folder")
def test_classes_that_share_leaves_are_found_among_thousands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    classes = [f"class{n}" for n in range(2100)]
    nodes = [f"leaf{n}" for n in range(2000)]
    nodes += [f"[leaf{n}, leaf{n + 100}]" for n in range(100)]
    told = checked(capsys, mapping(classes, nodes))
    assert "'class2007' shares leaf7 + leaf107 with 'class7', 'class107', so" in "\n".join(told)


def spec(text: str) -> DatasetSpec:
    return DatasetSpec.from_document(load_text(text, "big.yaml"))


def test_far_too_many_classes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.iinfo(np.int16).max > mapping_keys._MOST_CLASSES  # which numbers of classes are
    monkeypatch.setattr(mapping_keys, "_MOST_CLASSES", 100)
    classes = [f"class{n}" for n in range(101)]
    with pytest.raises(HarmonizeError) as caught:
        spec(mapping(classes, ["leaf0"] * 101))
    assert str(caught.value) == (
        "big.yaml:7:1: classes: 101 classes, more than the 100 that a data set may have; give "
        "those that mean the same one name and a list of values"
    )


def test_far_too_many_values_are_refused() -> None:
    classes = {f"class{n}": f"'{100_001 * n}-{100_001 * n + 100_000}'" for n in range(12)}
    text = mapping([*classes], ["ignore"] * 12)
    for number, written in enumerate(classes.values()):
        text = text.replace(f"  class{number}: {number}\n", f"  class{number}: {written}\n")
    with pytest.raises(HarmonizeError) as caught:
        spec(text)
    assert "more than 1000000 values stand for classes; make classes of ids by" in str(caught.value)


def test_a_range_of_very_many_pictures_is_refused_and_one_of_many_takes_little(
    tmp_path: Path,
) -> None:
    with pytest.raises(HarmonizeError, match="a range of more than 1000000 pictures, got"):
        spec(mapping(["a"], ["ignore"], split="{range: [0, 1000000]}"))
    many = spec(mapping(["a"], ["ignore"], split="{range: [0, 1999]}"))
    index, told = list_files(many, "train", tmp_path)
    assert len(index) == 0
    assert told == [
        "big.yaml:6:10: splits.train: 4000 files of big, for 2000 of 2000 pictures, "
        f"are missing from {tmp_path}: 0.png, "
        "0_ids.png, 1.png, ...; check data.roots and the mapping's `picture` and `label`"
    ]


@pytest.mark.parametrize("text", ["(" * 100_000, "V" + "+V" * 50_000, "V" * 1_000_000])
def test_a_long_formula_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(HarmonizeError, match="a formula too long or beyond 64 bits"):
        spec(mapping(["a"], ["ignore"], value=f'"{text}"'))


def test_a_long_yaml_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HarmonizeError) as caught:
        load_text("# x\n" * 300_000, "long.yaml")
    assert str(caught.value) == (
        "long.yaml: has 1200000 characters, more than the 1048576 of YAML that are read; is it the "
        "file that is meant?"
    )
    monkeypatch.setattr("harmonize.config.yaml_nodes._MOST_NODES", 200)
    with pytest.raises(HarmonizeError, match=r"^long.yaml:1:400: more than 200 keys and values"):
        load_text("[" + "1," * 250_000 + "]", "long.yaml")


def test_near_matches_of_many_names_are_those_of_few() -> None:
    names = [f"{kind}{number}" for number in range(700) for kind in ("road", "tree", "sky")]
    assert near_matches("raod7", names[:30]) == "did you mean road7 or road9 or road8?"
    assert near_matches("raod7", names).startswith("did you mean road7")
    assert near_matches("skyy650", names).startswith("did you mean sky650 or ")
    assert near_matches("@@@", names) == f"choose from: {', '.join(names[:12])}, ..."


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a_*.png", ["a_1.png", "a_a_1.png"]),
        ("*", ["a_1.png", "a_a_1.png", "b.png"]),
        ("*a*a*", ["a_a_1.png"]),
        ("a_1.png*a_1.png", []),
        ("*_*_*", ["a_a_1.png"]),
        ("**.png", ["a_1.png", "a_a_1.png", "b.png"]),
    ],
)
def test_names_with_stars(name: str, fits: list[str]) -> None:
    assert fitting_names(name, ["b.png", "a_a_1.png", "a_1.png"]) == fits


def test_names_with_many_stars_take_little_time() -> None:
    began = time.process_time()
    assert not fitting_names("*a" * 60 + "*b", ["a" * 250])
    assert time.process_time() - began < 1


def test_a_class_file_of_very_many_classes_takes_little_time(tmp_path: Path) -> None:
    items = [{"name": f"class{n}"} for n in range(33_000)]
    (tmp_path / "classes.json").write_text(json.dumps({"labels": items}))
    began = time.process_time()
    file = ClassFile("classes.json")
    assert file.look_up(tmp_path, [item["name"] for item in items])[-1] == 32_999
    assert time.process_time() - began < _SECONDS


def test_colours_near_many_classes_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ClassTable("big", {f"class{n}": DataClass(f"class{n}", (1000 * n,)) for n in range(90)})
    values = np.random.default_rng(0).integers(0, 90_000, (60, 70))
    whole = table.look_up(values, tolerance=20)
    monkeypatch.setattr("harmonize.labels.class_table._COMPARED", 500)
    assert (table.look_up(values, tolerance=20) == whole).all()
    shifts = np.array([24, 16, 8, 0])
    parts, known = values[..., None] >> shifts & 255, np.arange(90)[:, None] * 1000 >> shifts & 255
    distance = np.abs(parts[:, :, None] - known).max(3)
    assert (whole == np.where(distance.min(2) <= 20, distance.argmin(2), -1)).all()
