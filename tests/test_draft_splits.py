"""Splits that the data set's own lists, YAML, JSON and CSV files tell, and those by numbers."""

import json
from pathlib import Path

import pytest

from folder_cases import counts, draft, label, photo, save
from harmonize import DatasetSpec, HarmonizeError
from harmonize.data.dataset import SegmentationDataset
from harmonize.tools.draft.new_mapping import new_mapping

TRAIN = [f"p{number}x" for number in (1, 2, 4, 5, 7, 10)]
VAL = [f"p{number}x" for number in (3, 6, 8, 9)]


def write_pictures(folder: Path) -> None:
    for number in range(1, 11):
        save(folder / "images" / f"p{number}x.jpg", photo())
        save(folder / "labels" / f"p{number}x.png", label([0, 1, 2]))


def _yaml() -> str:
    lines = "".join(f"    - images/{name}.jpg\n" for name in VAL)
    return f"names: [a, b]\nsplit:\n  train: [{', '.join(TRAIN)}]\n  validation:\n{lines}"


def _csv(ending: str = "", head: str = "image,seen,split\n") -> str:
    rows = [(name, "train") for name in TRAIN] + [(name, "val") for name in VAL]
    return head + "".join(f"{name}{ending},yes,{split}\n" for name, split in rows)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("splits.yaml", _yaml()),
        ("meta/split.yml", _yaml()),
        ("split.csv", _csv()),
        ("meta/all.csv", _csv(".jpg")),
        ("split.csv", _csv(head="")),
        ("splits.json", json.dumps({"train": TRAIN, "val": [f"labels/{n}.png" for n in VAL]})),
        ("splits.json", json.dumps(dict.fromkeys(TRAIN, "train") | dict.fromkeys(VAL, "val"))),
    ],
)
def test_official_splits_become_lists_beside_the_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / file).parent.mkdir(exist_ok=True)
    (tmp_path / "set" / file).write_text(text)
    draft(tmp_path / "set", monkeypatch)
    assert (tmp_path / "set_train.txt").read_text().split() == TRAIN
    assert (tmp_path / "set_val.txt").read_text().split() == VAL
    assert f"# guess: 6 pictures, by {file}" in (tmp_path / "set.yaml").read_text()
    monkeypatch.chdir("/")
    spec = DatasetSpec.from_file(tmp_path / "set.yaml")
    sizes = {s: len(SegmentationDataset(spec, s, root=tmp_path / "set")) for s in spec.splits}
    assert sizes == {"train": 6, "val": 4}


@pytest.mark.parametrize(
    "text",
    [
        "train: [p1x, p2x, other]\nval: [p3x]\n",  # another set's
        "train: [p1x, p2x]\nval: [p2x, p3x]\n",  # they share a picture
        "train: [p1x, p2x]\n",  # one split is none
        "colour: [p1x, p2x]\nsize: [p3x]\n",
        "train: {",
    ],
)
def test_other_files_tell_no_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / "splits.yaml").write_text(text)
    assert list(draft(tmp_path / "set", monkeypatch).splits) == ["all"]
    assert not list(tmp_path.glob("*.txt"))


def test_lists_that_are_there_are_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / "splits.yaml").write_text(_yaml())
    (tmp_path / "set_val.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HarmonizeError, match=r"set_val.txt: is there already; replace it with"):
        new_mapping(tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set_val.txt"]


def test_numbers_after_the_same_letters_give_a_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 11):
        save(tmp_path / "set" / f"IMG_{number:03d}.bmp", photo())
        save(tmp_path / "set" / f"IMG_{number:03d}.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("IMG_{id:03d}.bmp", "IMG_{id:03d}.png")
    assert counts(spec, tmp_path / "set") == {"train": 8, "val": 2, "all": 10}


def test_lists_name_pictures_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 11):
        save(tmp_path / "set" / f"IMG_{number:03d}.bmp", photo())
        save(tmp_path / "set" / f"IMG_{number:03d}.png", label([0, 1, 2]))
    (tmp_path / "set" / "train.txt").write_text("IMG_001\nIMG_005\n")
    (tmp_path / "set" / "test.txt").write_text("IMG_002\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert counts(spec, tmp_path / "set") == {"train": 2, "test": 1}


def test_a_listed_picture_without_a_label_is_named_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / "labels" / "p1x.png").unlink()  # the first line's, which is no header
    (tmp_path / "set" / "train.txt").write_text("".join(f"{name}\n" for name in TRAIN))
    (tmp_path / "set" / "val.txt").write_text("".join(f"{name}\n" for name in VAL))
    spec = draft(tmp_path / "set", monkeypatch)
    assert counts(spec, tmp_path / "set") == {"train": 5, "val": 4}
    assert (tmp_path / "set_train.txt").read_text().split() == TRAIN[1:]
    assert spec.splits["val"].list == "val.txt"
    told = "1 of 6 lines of train.txt names no picture with a label, left out of set_train.txt: p1x"
    assert f"# TODO: {told}\n" in (tmp_path / "set.yaml").read_text()
    assert f"note: {told}\n" in capsys.readouterr().out


def test_names_that_a_table_of_splits_has_beside_the_labelled_ones_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / "labels" / "p3x.png").unlink()
    (tmp_path / "set" / "split.csv").write_text(_csv())
    assert counts(draft(tmp_path / "set", monkeypatch), tmp_path / "set") == {"train": 6, "val": 3}
    told = "1 of 4 lines of split.csv names no picture with a label, left out of set_val.txt: p3x"
    assert f"# TODO: {told}\n" in (tmp_path / "set.yaml").read_text()


def test_a_complete_list_of_a_split_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "set")
    (tmp_path / "set" / "train.txt").write_text("p1x\np2x\nother\n")
    (tmp_path / "set" / "train_labelled.txt").write_text("p1x\np2x\n")
    spec = draft(tmp_path / "set", monkeypatch)
    assert {name: split.list for name, split in spec.splits.items()} == {
        "train": "train_labelled.txt"
    }
    assert "left out" not in capsys.readouterr().out


CITIES = [("aachen", 2), ("aachen", 3), ("bonn", 2), ("bonn", 10), ("bonn", 11)]


def write_cities(folder: Path) -> None:
    for city, number in CITIES:
        save(folder / "Original" / city / f"{city}_{number:03d}_left.png", photo())
        save(folder / "Answers" / city / f"{city}_{number:03d}_gt.png", label([0, 1, 2]))


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("splits/train.txt", "NAME"),
        ("train.txt", "CITY/NAME"),
        ("splits/train_files.txt", "CITY/NAME"),
        ("lists/train.lst", "CITY/NAME_left.png"),
        ("train.csv", "NAME_gt.png"),
        ("train.txt", "Original/CITY/NAME_left.png"),
        ("train.txt", "./Original/CITY/NAME_left"),
        ("train.txt", "/home/ada/street scenes/Original/CITY/NAME_left.png"),
        ("train.txt", "Original\\CITY\\NAME_left.png"),
        ("train.txt", "Original/CITY/NAME_left.png Answers/CITY/NAME_gt.png"),
        ("train.csv", '"NAME_left.png",sunny,"NAME_gt.png"'),
    ],
)
def test_lists_name_pictures_in_folders_in_many_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, line: str
) -> None:
    write_cities(tmp_path / "set")
    lines = [
        line.replace("NAME", f"{city}_{number:03d}").replace("CITY", city) + "\n"
        for city, number in CITIES
    ]
    file = tmp_path / "set" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(lines[1:4]))
    file.with_name(file.name.replace("train", "val")).write_text(lines[4] + lines[0])
    spec = draft(tmp_path / "set", monkeypatch)
    splits = {name: SegmentationDataset(spec, name, root=tmp_path / "set") for name in spec.splits}
    listed = {name: [*map(one.files.label, range(len(one)))] for name, one in splits.items()}
    paths = [f"Answers/{city}/{city}_{number:03d}_gt.png" for city, number in CITIES]
    assert listed == {"train": paths[1:4], "val": [paths[4], paths[0]]}
    assert "TODO: nothing" not in (tmp_path / "set.yaml").read_text()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("1\n2\n3\n", "its names stand for several pictures each, such as 1"),
        ("a/1\nx\ny\nb/2\nz\n", "only 2 of 5 lines name a picture with a label"),
        ("test_001\ntest_002\n", "names no pictures with a label; the first is test_001"),
    ],
)
def test_lists_that_cannot_be_used_are_told_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: str,
    why: str,
) -> None:
    for folder in ("a", "b"):
        for number in (1, 2, 3):
            save(tmp_path / "set" / "images" / folder / f"{number}.jpg", photo())
            save(tmp_path / "set" / "labels" / folder / f"{number}.png", label([0, 1, 2]))
    (tmp_path / "set" / "val.txt").write_text(lines)
    (tmp_path / "set" / "readme.txt").write_text("The pictures to train and to test on.\nx\n")
    assert list(draft(tmp_path / "set", monkeypatch).splits) == ["all"]
    assert f"# not used: val.txt: {why}\n" in (tmp_path / "set.yaml").read_text()
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert told == [f"note: not used: val.txt: {why}"]
