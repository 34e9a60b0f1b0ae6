"""Folders that vary together, and folders of one picture each, are fields of the templates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folder_cases import counts, draft, label, photo, save


def patients(root: Path) -> None:
    for patient in range(1, 4):
        folder = root / "pat" / f"patient0{patient}" / f"2021-0{patient + 1}-1{patient}"
        for number in range(5):
            save(folder / f"slice{number}.jpg", photo())
            save(folder / f"slice{number}_mask.png", label([0, 255]))


def patients_apart(root: Path) -> None:
    for patient in range(1, 4):
        inside = Path(f"patient0{patient}") / f"2021-0{patient + 1}-1{patient}"
        for number in range(5):
            save(root / "images" / inside / f"slice{number}.png", photo())
            save(root / "labels" / inside / f"slice{number}.png", label([0, 1, 2]))


def three_levels(root: Path) -> None:
    for place, name in enumerate("abcd"):
        folder = root / f"site_{name}" / f"case{place * 7}" / f"visit-{place + 3}"
        for number in range(3):
            save(folder / f"s{number}.jpg", photo())
            save(folder / f"s{number}_seg.png", label([0, 1]))


def some_with_two_visits(root: Path) -> None:
    for patient, visits in {"p1": ("a", "b"), "p2": ("c",), "p3": ("d",)}.items():
        for visit in visits:
            for number in range(3):
                save(root / patient / visit / f"s{number}.jpg", photo())
                save(root / patient / visit / f"s{number}_seg.png", label([0, 1]))


def one_folder_each(root: Path) -> None:
    for name in ("aa", "b", "cc", "d"):
        save(root / name / "image.jpg", photo())
        save(root / name / "mask.png", label([0, 1, 2]))


def labelme(root: Path) -> None:
    for name in ("aa", "b", "cc", "d"):
        ids = label([0, 1, 2])
        save(root / f"{name}_json" / "img.png", photo())
        save(root / f"{name}_json" / "label.png", ids)
        save(root / f"{name}_json" / "label_viz.png", np.dstack([ids * 90, ids, ids * 40]))


def one_folder_each_in_splits(root: Path) -> None:
    for split in ("train", "val"):
        for name in ("aa", "b", "cc"):
            save(root / split / f"{split}{name}" / "image.jpg", photo())
            save(root / split / f"{split}{name}" / "mask.png", label([0, 1, 2]))


@pytest.mark.parametrize(
    ("write", "picture", "label_", "splits"),
    [
        (
            patients,
            "pat/{folder}/{folder_2}/{id}.jpg",
            "pat/{folder}/{folder_2}/{id}_mask.png",
            {"all": 15},
        ),
        (
            patients_apart,
            "images/{folder}/{folder_2}/{id}.png",
            "labels/{folder}/{folder_2}/{id}.png",
            {"all": 15},
        ),
        (
            three_levels,
            "{folder}/{folder_2}/{folder_3}/{id}.jpg",
            "{folder}/{folder_2}/{folder_3}/{id}_seg.png",
            {"all": 12},
        ),
        (
            some_with_two_visits,
            "{folder}/{folder_2}/{id}.jpg",
            "{folder}/{folder_2}/{id}_seg.png",
            {"all": 12},
        ),
        (one_folder_each, "{id}/image.jpg", "{id}/mask.png", {"all": 4}),
        (labelme, "{id}/img.png", "{id}/label.png", {"all": 4}),
        (
            one_folder_each_in_splits,
            "{split}/{id}/image.jpg",
            "{split}/{id}/mask.png",
            {"train": 3, "val": 3},
        ),
    ],
)
def test_every_picture_of_nested_folders_is_drafted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    picture: str,
    label_: str,
    splits: dict[str, int],
) -> None:
    write(tmp_path / "set")
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == (picture, label_)
    assert counts(spec, tmp_path / "set") == splits


def test_numbers_far_apart_are_no_range_and_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (7, 10**9, 10**12, 10**13, 10**14):
        save(tmp_path / "set" / "images" / f"{number}.jpg", photo())
        save(tmp_path / "set" / "labels" / f"{number}.png", label([0, 1]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.splits["train"].where == {"id": (7, 10**13)}
    assert counts(spec, tmp_path / "set") == {"train": 4, "val": 1, "all": 5}


def test_names_of_letters_that_lie_in_both_folders_are_no_roles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("segovia", "image_of_bonn", "cork", "derby"):
        save(tmp_path / "set" / "images" / f"{name}.jpg", photo())
        save(tmp_path / "set" / "labels" / f"{name}.png", label([0, 1, 2]))
        save(tmp_path / "set" / "shots" / f"{name}.jpg", photo())
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("images/{id}.jpg", "labels/{id}.png")
    assert counts(spec, tmp_path / "set") == {"all": 4}
