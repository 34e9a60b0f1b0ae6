"""Splits that the data set's own YAML, JSON and CSV files tell, and those by numbers."""

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
