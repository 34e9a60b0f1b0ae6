"""Masks that count, and names to which something was added, belong to their pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from folder_cases import counts, draft, label, photo, save
from harmonize.tools.draft.draft_classes import same_class


def label_studio(root: Path) -> None:
    for number in range(6):
        save(root / f"p{number}.jpg", photo())
        save(root / f"p{number}-road-0.png", label([0, 0, 255]))
        for tree in range(1 + number % 2):
            save(root / f"p{number}-tree-{tree}.png", label([0, 255, 0] if tree else [255, 0, 0]))


def one_word(root: Path) -> None:
    for number in range(6):
        save(root / "im" / f"p{number}.jpg", photo())
        for tree in range(1 + number % 2):
            save(root / "gt" / f"p{number}-tree-{tree}.png", label([0, 255, 0]))


def many(root: Path) -> None:
    for number in range(4):
        save(root / f"p{number}.jpg", photo())
        for tree in range(3 * number + 1):
            values = [0] * (tree + 1) + [255] + [0] * (12 - tree)
            save(root / f"p{number}-tree-{tree}.png", label(values))


def busi(root: Path) -> None:
    for kind in ("benign", "malignant"):
        for number in range(1, 9):
            save(root / kind / f"{kind} ({number}).png", photo())
            save(root / kind / f"{kind} ({number})_mask.png", label([0, 255, 0]))
    save(root / "benign" / "benign (3)_mask_1.png", label([0, 0, 255]))


@pytest.mark.parametrize(
    ("write", "label_", "classes", "number"),
    [
        (
            label_studio,
            "p{id}-{class}.png",
            {"background": (), "tree": ("tree-0", "tree-1"), "road": ("road-0",)},
            6,
        ),
        (one_word, "gt/p{id}-{class}.png", {"background": (), "tree": ("tree-0", "tree-1")}, 6),
        (many, "{id}-{class}.png", {"background": (), "tree": ("tree-*",)}, 4),
        (busi, "{folder}/{id}_{class}.png", {"background": (), "mask": ("mask", "mask_1")}, 16),
    ],
)
def test_masks_that_count_are_of_one_class(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    label_: str,
    classes: dict[str, tuple[str, ...]],
    number: int,
) -> None:
    write(tmp_path / "set")
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.label.text == label_
    assert {name: one.masks for name, one in spec.classes.items()} == classes
    assert counts(spec, tmp_path / "set")["all"] == number
    assert "no label" not in (tmp_path / "set.yaml").read_text()


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        (["tree-0", "tree-1"], {"tree": ["tree-0", "tree-1"]}),
        (["mask", "mask_1", "mask_10"], {"mask": ["mask", "mask_1", "mask_10"]}),
        (["mask_1", "mask_2"], {"mask_1": ["mask_1"], "mask_2": ["mask_2"]}),  # of what?
        (["00", "01"], {"00": ["00"], "01": ["01"]}),
        (["l_eye", "r_eye"], {"l_eye": ["l_eye"], "r_eye": ["r_eye"]}),
    ],
)
def test_a_number_after_a_word_counts(texts: list[str], groups: dict[str, list[str]]) -> None:
    assert same_class(texts) == groups


@pytest.mark.parametrize("folders", [("", ""), ("im", "gt")])
@pytest.mark.parametrize("added", ["m", "_l", "-seg", "GT"])
def test_what_is_added_to_a_number_is_a_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: tuple[str, str], added: str
) -> None:
    for number in range(1, 9):
        save(tmp_path / "set" / folders[0] / f"{number:04d}.jpg", photo())
        save(tmp_path / "set" / folders[1] / f"{number:04d}{added}.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert spec.label.text == str(Path(folders[1], f"{{id:04d}}{added}.png"))
    assert counts(spec, tmp_path / "set") == {"train": 6, "val": 2, "all": 8}


def test_letters_at_the_end_of_hexadecimal_names_are_part_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 60):
        save(tmp_path / "set" / "im" / f"{number:x}.jpg", photo())
        save(tmp_path / "set" / "gt" / f"{number:x}.png", label([0, 1, 2]))
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("im/{id}.jpg", "gt/{id}.png")
    assert counts(spec, tmp_path / "set") == {"all": 59}


def a2d2(root: Path) -> None:
    for number in range(6):
        for day, camera in (("20180807145028", "front_center"), ("20181008095521", "side_left")):
            short = camera.replace("_", "")
            name = f"{day}_{{}}_{short}_{number:09d}.png"
            where = root / f"{day[:8]}_{day[8:]}"
            save(where / "camera" / f"cam_{camera}" / name.format("camera"), photo())
            save(where / "label" / f"cam_{camera}" / name.format("label"), label([0, 1, 2]))


def infix_in_one_folder(root: Path) -> None:
    for number in (3, 5, 8, 13):
        save(root / f"run7_image_{number:03d}.jpg", photo())
        save(root / f"run7_mask_{number:03d}.png", label([0, 1, 2]))
        save(root / f"x_image_{number:03d}.jpg", photo())
        save(root / f"x_mask_{number:03d}.png", label([0, 1, 2]))


@pytest.mark.parametrize(
    ("write", "picture", "label_", "number"),
    [
        (
            a2d2,
            "{folder}/camera/{folder_2}/{id}_camera_{number}.png",
            "{folder}/label/{folder_2}/{id}_label_{number}.png",
            12,
        ),
        (infix_in_one_folder, "{id}_image_{number:03d}.jpg", "{id}_mask_{number:03d}.png", 8),
    ],
)
def test_a_role_in_the_middle_of_names_pairs_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    picture: str,
    label_: str,
    number: int,
) -> None:
    write(tmp_path / "set")
    spec = draft(tmp_path / "set", monkeypatch)
    assert (spec.picture.text, spec.label.text) == (picture, label_)
    assert counts(spec, tmp_path / "set")["all"] == number
