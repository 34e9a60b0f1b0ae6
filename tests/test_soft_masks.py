"""Masks with soft edges or saved as JPEG: drafted, read and checked for what they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import folder_cases
from harmonize import DatasetSpec
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.soft_values import lie_around
from spoiled import add, passes, problems, spoil, write_set

HEIGHT, WIDTH = 60, 80


def disk(place: int = 0) -> np.ndarray:
    """Return where a disk is."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return (rows - 30) ** 2 + (columns - 30 - 4 * place) ** 2 < 15**2


def soft(mask: np.ndarray) -> np.ndarray:
    """Return a mask with soft edges."""
    picture = Image.fromarray((255 * mask).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)))


def photo(path: Path) -> None:
    """Write a photograph."""
    noise = np.random.default_rng(len(str(path))).integers(256, size=(6, 8, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)


def save(path: Path, values: np.ndarray, *, color: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture = picture.convert("RGB") if color else picture
    picture.save(path, quality=75)  # which PNG passes over


def agree(spec: DatasetSpec, folder: Path, names: dict[str, int]) -> None:
    """Make sure that the labels are read as the disks that were drawn, but for their edges."""
    numbers = {name: number for number, name in enumerate(spec.classes)}
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, root=folder)
        for number in range(len(dataset)):
            place = int(Path(dataset.files.picture(number)).stem[1:])
            found = dataset[number].classes.numpy()
            wanted = np.full((HEIGHT, WIDTH), numbers[next(iter(names))])
            for name, offset in list(names.items())[1:]:
                wanted[disk(place + offset)] = numbers[name]
            assert (found != wanted).mean() < 0.02


@pytest.mark.parametrize("kind", ["soft.png", "jpeg.png", "grey.jpg", "color.jpg", "binary.jpg"])
def test_a_mask_for_each_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "set"
    for place in range(6):
        photo(folder / "images" / f"p{place}.jpg")
        label = folder / "labels" / f"p{place}{Path(kind).suffix}"
        mask = soft(disk(place)) if kind == "soft.png" else 255 * disk(place)
        if kind == "jpeg.png":
            save(tmp_path / "x.jpg", mask)
            mask = np.asarray(Image.open(tmp_path / "x.jpg"))
        save(label, mask, color=kind == "color.jpg")
    spec = folder_cases.draft(folder, monkeypatch)
    channel = "R" if kind == "color.jpg" else "V"
    assert repr(spec.encoding) == f"Ids(formula=ValueFormula('{channel}//128'))"
    assert [one.values for one in spec.classes.values()] == [(0,), (1,)]
    agree(spec, folder, {"class_0": 0, "class_1": 0})


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_mask_for_each_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    folder = tmp_path / "set"
    for place in range(6):
        photo(folder / "images" / f"p{place}.jpg")
        for offset, name in enumerate(("leaf", "stem")):
            mask = disk(place + 8 * offset)
            path = folder / "masks" / f"p{place}_{name}.{kind}"
            save(path, soft(mask) if kind == "png" else 255 * mask)
    spec = folder_cases.draft(folder, monkeypatch)
    assert repr(spec.encoding) == "Masks(formula=ValueFormula('V//128'))"
    assert {name: one.mask for name, one in spec.classes.items()} == {
        "background": None,
        "leaf": "leaf",
        "stem": "stem",
    }
    names = list(spec.classes)
    agree(spec, folder, {name: 8 * (name == "stem") for name in names})


def test_photographs_in_black_and_white_are_no_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    for place in range(6):
        photo(folder / "images" / f"p{place}.jpg")
        Image.open(folder / "images" / f"p{place}.jpg").convert("L").save(
            folder / "images" / f"p{place}.jpg"
        )
        save(folder / "labels" / f"p{place}.png", disk(place))
    spec = folder_cases.draft(folder, monkeypatch)
    assert (spec.picture.text, spec.label.text) == ("images/p{id}.jpg", "labels/p{id}.png")


@pytest.fixture(name="labels")
def _labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_set(tmp_path, monkeypatch) / "data" / "labels"


@pytest.mark.usefixtures("labels")
def test_the_check_of_ids_says_how_soft_masks_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(
        classes="{background: 0, left: 255}",
        meaning="{tiny: {background: background, left: thing}}",
    )
    for name in "ab":
        add(name, soft(disk()))
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:5:1: encoding: of 2 label files, such as labels/a.png, values lie around 0 and "
        "255: say `value: V//128`, and 0 and 1 in `classes`"
    ]
    spoil(
        classes="{background: 0, left: 1}",
        meaning="{tiny: {background: background, left: thing}}",
        value="V//128",
    )
    passes(capsys, "fine.yaml")


def test_ids_in_a_jpeg_are_refused(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        (labels / f"{name}.png").unlink()
        save(labels / f"{name}.jpg", 255 * disk() if name == "a" else 2 * disk())
    save(Path("data/images/a.png"), np.zeros((HEIGHT, WIDTH, 3)))
    save(Path("data/images/b.png"), np.ones((HEIGHT, WIDTH, 3)))
    spoil(label='"labels/{id}.jpg"', splits='{train: {glob: "labels/{id}.jpg"}}')
    assert problems(capsys, "fine.yaml") == [
        "data/labels/a.jpg: is a JPEG, which changes ids; its values lie around 0 and 255: say "
        "`value: V//128`, and 0 and 1 in `classes`",
        "data/labels/b.jpg: is a JPEG, which changes ids; save the labels as PNG again",
    ]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (soft(disk()), True),
        (soft(disk()).astype(np.uint16) * 257, True),
        (255 * disk().astype(np.uint8), False),
        (np.arange(256, dtype=np.uint8)[None].repeat(9, 0), False),  # a ramp
        (np.repeat([0, *range(1, 182, 9), 255], [400, *[5] * 21, 400])[None], False),  # ids
        (np.zeros((4, 4), np.uint8), False),
        (np.zeros((0, 0), np.uint8), False),
        (np.full((4, 4), -1), False),
        (np.zeros((4, 4), np.float32), False),
    ],
)
def test_values_that_lie_around_two(values: np.ndarray, found: bool) -> None:
    assert lie_around(values) == found
