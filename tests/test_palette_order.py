"""Palettes that order their colours differently are found, and drafted as colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import folder_cases
from harmonize.labels.palette_order import find_conflict, used_colors
from spoiled import LABEL, passes, problems, spoil, write_set

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save_palette(path: Path, indexes: np.ndarray, *colors: tuple[int, int, int]) -> None:
    """Write a palette picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(indexes.astype(np.uint8), mode="P")
    picture.putpalette([part for color in colors for part in color])
    picture.save(path)


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a set and return the folder of its labels, ``a`` and ``b``."""
    return write_set(tmp_path, monkeypatch) / "data" / "labels"


def test_an_index_of_two_colours_is_a_finding(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_palette(labels / "a.png", LABEL, BLUE, RED, GREEN)
    save_palette(labels / "b.png", np.array([2, 1, 0])[LABEL[:, ::-1]], GREEN, RED, BLUE)
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:5:1: encoding: index 0 is #0000ff in labels/a.png and #00ff00 in labels/b.png, "
        "but the indexes are read and not the colours; say `encoding: rgb` "
        "[accept: {palettes: all}]"
    ]
    spoil(accept="{palettes: all}")
    passes(capsys, "fine.yaml")
    colors = "{background: '#0000ff', left: '#ff0000', right: '#00ff00'}"
    spoil(encoding="rgb", classes=colors)
    passes(capsys, "fine.yaml")


def test_palettes_that_differ_in_what_no_pixel_has_are_alike(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_palette(labels / "a.png", LABEL, BLUE, RED, GREEN, RED)
    save_palette(labels / "b.png", LABEL, BLUE, RED, GREEN, GREEN, (1, 2, 3))
    passes(capsys, "fine.yaml")


def test_masks_whose_palettes_turn_them_round_are_a_finding(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = {"classes": "{background: ~, left: l, right: r}"}
    spoil(
        encoding="masks",
        label='"labels/{id}_{class}.png"',
        splits='{train: {glob: "images/{id}.png"}}',
        **masks,
    )
    black, white = (0, 0, 0), (255, 255, 255)
    for name in "ab":
        (labels / f"{name}.png").unlink()
        save_palette(labels / f"{name}_l.png", LABEL == 1, black, white)
        save_palette(labels / f"{name}_r.png", LABEL == 2, black, white)
    passes(capsys, "fine.yaml")
    save_palette(labels / "b_r.png", LABEL != 2, white, black)
    (told,) = problems(capsys, "fine.yaml")
    assert "index 0 is #000000 in labels/a_l.png and #ffffff in labels/b_r.png" in told
    assert "; save the masks as grey [accept" in told


def test_used_colours_are_those_of_pixels(tmp_path: Path) -> None:
    save_palette(tmp_path / "a.png", np.array([[0, 2]]), RED, GREEN, BLUE)
    assert used_colors(tmp_path / "a.png") == {0: RED, 2: BLUE}
    Image.fromarray(LABEL).save(tmp_path / "b.png")
    assert used_colors(tmp_path / "b.png") == {}


def test_the_first_conflict_is_named() -> None:
    assert find_conflict([]) is None
    assert find_conflict([("a", {0: RED}), ("b", {1: GREEN})]) is None
    files = [("a", {0: RED, 1: GREEN}), ("b", {0: RED}), ("c", {0: RED, 1: BLUE})]
    assert str(find_conflict(files)) == "index 1 is #00ff00 in a and #0000ff in c"


@pytest.mark.parametrize("number", [2, 3])
def test_labels_with_palettes_of_several_orders_are_drafted_as_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = tmp_path / "set"
    colors = [RED, GREEN, BLUE][:number]
    for place in range(4):
        order = np.roll(np.arange(number), place)
        folder_cases.save(folder / "images" / f"x{place}y.jpg", folder_cases.photo())
        indexes = np.argsort(order)[folder_cases.label(range(number))]
        save_palette(folder / "labels" / f"x{place}y.png", indexes, *(colors[n] for n in order))
    spec = folder_cases.draft(folder, monkeypatch)
    assert spec.encoding.name == "rgb"
    written = [red << 16 | green << 8 | blue for red, green, blue in colors]
    assert sorted(one.values for one in spec.classes.values()) == sorted((n,) for n in written)
    folder_cases.counts(spec, folder)
