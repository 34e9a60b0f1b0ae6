"""Drafting mappings of folders in all kinds of layouts; the folders serve the other tests too."""

import os
from pathlib import Path

import numpy as np
import pytest

from folder_cases import celeba, cityscapes, counts, draft, label, photo, save, write_scene
from harmonize import DatasetSpec
from harmonize.tools.draft.new_mapping import new_mapping


def test_pictures_of_another_size_than_their_labels_are_scaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    celeba(tmp_path / "set")
    assert draft(tmp_path / "set", monkeypatch).resize_picture


def test_what_is_not_used_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cityscapes(tmp_path / "set")
    draft(tmp_path / "set", monkeypatch)
    text = (tmp_path / "set.yaml").read_text()
    assert "#   gtFine/{split}/*/*_gtFine_color.png: 9 files, colours" in text
    assert "#   gtFine/{split}/*/*_gtFine_instanceIds.png: 9 files, ids" in text


def test_numbered_pictures_without_gaps_become_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        save(tmp_path / "set" / f"{number:06d}.png", photo())
        save(tmp_path / "set" / f"{number:06d}_seg.png", label([0, 1, 255]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("{id:06d}.png", "{id:06d}_seg.png")
    assert (spec.splits["train"].range, spec.splits["val"].range) == ((0, 7), (8, 9))
    assert counts(spec, tmp_path / "set") == {"train": 8, "val": 2, "all": 10}


def test_numbered_pictures_with_gaps_are_parted_by_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3, 5, 8, 13, 21):
        save(tmp_path / "set" / "images" / f"{number}.jpg", photo())
        save(tmp_path / "set" / "labels" / f"{number}.png", label([0, 1]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.splits["train"].where == {"id": (1, 8)}
    assert counts(spec, tmp_path / "set") == {"train": 5, "val": 2, "all": 7}


def test_lists_with_a_header_and_commas_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene(tmp_path / "set")
    (tmp_path / "set" / "train.csv").write_text("id,weather\n" + "frame0a,dry\nframe1a,wet\n")
    (tmp_path / "set" / "test.csv").write_text("id,weather\n" + "frame2a,dry\nframe5a,wet\n")
    spec = draft(tmp_path / "set", monkeypatch)
    train = spec.splits["train"]
    assert (train.columns, train.separator, train.skip) == (("id", "column_2"), ",", 1)
    assert counts(spec, tmp_path / "set") == {"train": 2, "test": 2}


def test_a_person_called_val_is_no_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [f"P{place}_Doe" for place in range(12)] + ["Val_Kilmer"]:
        save(tmp_path / "set" / "img" / name / f"{name}_0001.jpg", photo())
        save(tmp_path / "set" / "gt" / f"{name}_0001.png", label([0, 1]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "img/{folder}/{folder}_{number:04d}.jpg"
    assert counts(spec, tmp_path / "set") == {"all": 13}


def test_files_of_several_extensions_share_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        ending = "jpg" if number % 2 else "png"
        save(tmp_path / "set" / "images" / f"x{number}y.{ending}", photo())
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "images/{id}.*"
    assert counts(spec, tmp_path / "set") == {"all": 6}


def test_drawings_without_photographs_are_told_apart_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        save(tmp_path / "set" / "images" / f"x{number}y.png", np.dstack([label([9, 80, 200])] * 3))
        save(tmp_path / "set" / "labels" / f"x{number}y.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.picture.text == "images/{id}.png"


def test_nasty_names_are_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my set: #1"
    for number in range(4):
        save(folder / "pho: {tos} #1" / f"it's [a] {number}.png", photo())
        save(folder / "la*bels [v2] {x}" / f"it's [a] {number}_m: k.png", label([0, 1, 2]))
    (folder / "classes.txt").write_text('yes\n"quoted": #no\n- a, [x] {y}\n')
    (folder / "line\nbreak").mkdir()
    (folder / ".hidden.png").write_text("no picture")
    (folder / "around").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    new_mapping(folder)
    spec = DatasetSpec.from_file(tmp_path / "my_set_1.yaml")
    assert spec.picture.text == "pho: {{tos}} #1/{id}.png"
    assert list(spec.classes) == ["yes", '"quoted": #no', "- a, [x] {y}"]
    assert counts(spec, folder) == {"all": 4}


@pytest.mark.skipif(os.name != "posix", reason="such names are possible there alone")
def test_files_whose_names_are_no_text_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scene(tmp_path / "set")
    strange = tmp_path / "set" / "images" / os.fsdecode(b"\xff.png")
    try:
        strange.write_bytes(b"")
    except OSError:
        pytest.skip("the file system refuses such names")
    draft(tmp_path / "set", monkeypatch)
    assert (
        r"left out: 1 file or folder that cannot be read: '\udcff.png'" in capsys.readouterr().out
    )
