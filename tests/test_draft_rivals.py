"""Several files that go with each picture are named; people's answers are no classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folder_cases import HEIGHT, WIDTH, draft, label, photo, save
from harmonize.tools.draft.name_words import are_annotators

_Y, _X = np.mgrid[:HEIGHT, :WIDTH]
FIELD_OF_VIEW = 255 * ((_X - 20) ** 2 + (_Y - 12) ** 2 < 110)


def vessels(shift: int = 0) -> np.ndarray:
    return 255 * (abs(_X - _Y - 8 - shift) < 2)


def drive_training(root: Path) -> None:
    for number in range(21, 27):
        save(root / "images" / f"{number}_training.tif", photo())
        save(root / "1st_manual" / f"{number}_manual1.gif", vessels())
        save(root / "mask" / f"{number}_training_mask.gif", FIELD_OF_VIEW)


def drive(root: Path) -> None:
    drive_training(root / "training")
    for number in range(1, 7):
        save(root / "test" / "images" / f"{number:02d}_test.tif", photo())
        save(root / "test" / "1st_manual" / f"{number:02d}_manual1.gif", vessels())
        save(root / "test" / "2nd_manual" / f"{number:02d}_manual2.gif", vessels(1))
        save(root / "test" / "mask" / f"{number:02d}_test_mask.gif", FIELD_OF_VIEW)


def stare(root: Path) -> None:
    for number in range(6):
        save(root / "stare-images" / f"im{number:04d}.ppm", photo())
        save(root / "labels-ah" / f"im{number:04d}.ah.ppm", vessels())
        save(root / "labels-vk" / f"im{number:04d}.vk.ppm", vessels(1))


def two_schemes(root: Path) -> None:
    for number in range(6):
        save(root / "photos" / f"p{number}x.jpg", photo())
        save(root / "coarse" / f"p{number}x.png", label([0, 1, 2]))
        save(root / "parts" / f"p{number}x.png", label([3, 4, 5, 6, 7]))


@pytest.mark.parametrize(
    ("write", "named"),
    [
        (drive_training, ["1st_manual/{id}_manual1.gif", "mask/{id}_training_mask.gif"]),
        (drive, ["{split}/mask/", "{split}/1st_manual/", "{split}/2nd_manual/"]),
        (stare, ["labels-ah/im{id:04d}.ah.ppm", "labels-vk/{id}.vk.ppm"]),
        (two_schemes, ["coarse/{id}.png", "parts/{id}.png"]),
    ],
)
def test_every_label_that_goes_with_the_pictures_is_named_and_no_meaning_guessed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Path], None],
    named: list[str],
) -> None:
    write(tmp_path / "set")
    (tmp_path / "set" / "classes.txt").write_text("road\nsky\ntree\nroad_sign\n")
    spec = draft(tmp_path / "set", monkeypatch, tree=Path("trees/roads.txt"))
    lines = (tmp_path / "set.yaml").read_text().splitlines()
    start = lines.index("# TODO: several files go with each picture; which holds the classes?")
    shown = "\n".join(lines[start + 1 : start + 1 + len(named)])
    assert all(f"label: {text}" in shown for text in named)
    assert "TODO     several files go with each picture" in capsys.readouterr().out
    assert set(spec.meaning["roads"].values()) == {("TODO",)}


def chase(root: Path) -> None:
    for number in range(1, 6):
        for eye in "LR":
            name = f"Image_{number:02d}{eye}"
            save(root / f"{name}.jpg", photo())
            save(root / f"{name}_1stHO.png", vessels())
            save(root / f"{name}_2ndHO.png", vessels(1))


def experts(root: Path) -> None:
    for number in range(6):
        save(root / "img" / f"a{number}x.jpg", photo())
        for expert in (1, 2, 3):
            save(root / f"expert{expert}" / f"a{number}x.png", vessels(expert))


@pytest.mark.parametrize(
    ("write", "named"),
    [
        (chase, ["{id}_1stHO.png", "{id}_2ndHO.png"]),
        (experts, ["expert1/{id}.png", "expert2/{id}.png", "expert3/{id}.png"]),
    ],
)
def test_annotators_of_the_same_pictures_are_no_classes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    named: list[str],
) -> None:
    write(tmp_path / "set")
    spec = draft(tmp_path / "set", monkeypatch)
    text = (tmp_path / "set.yaml").read_text()
    assert "# TODO: several annotators labelled the same pictures; choose one." in text
    assert all(f"#   label: {one}" in text for one in named)
    assert (spec.encoding.name, len(spec.classes)) == ("ids", 2)


def test_labels_that_repeat_the_chosen_ones_are_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        save(tmp_path / "set" / "photos" / f"p{number}x.jpg", photo())
        save(tmp_path / "set" / "masks" / f"p{number}x.png", label([0, 1, 2]))
        save(tmp_path / "set" / "again" / f"p{number}x.png", label([0, 90, 180]))
        save(tmp_path / "set" / "merged" / f"p{number}x.png", label([0, 0, 9]))
    draft(tmp_path / "set", monkeypatch)
    text = (tmp_path / "set.yaml").read_text()
    assert "several files" not in text
    assert "#   again/*.png: 6 files, ids" in text


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["1st_manual", "2nd_manual"], True),
        (["_1stHO", "_2ndHO"], True),
        (["annotator_a", "annotator_b"], True),
        (["reader1", "reader2", "reader10"], True),
        (["_lbl01", "_lbl02"], False),  # classes
        (["expert1", "vessels"], False),
        (["expert1", "expert1"], False),
        (["class_a", "class_b"], False),
    ],
)
def test_people_are_told_from_classes_by_name(names: list[str], people: bool) -> None:
    assert are_annotators(names) == people
