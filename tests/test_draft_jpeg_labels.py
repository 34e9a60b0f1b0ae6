"""Colours of classes saved as JPEGs: told from photographs, and drafted without losses."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import cli
from harmonize.config.strict_yaml import load_text
from harmonize.data.labels import LabelReader
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.tools.draft.draft_pixels import are_lossy_colors, full_colors, without_losses
from harmonize.tools.draft.new_mapping import new_mapping

COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 0], [0, 0, 255], [192, 128, 128]], np.uint8)


def draw(rng: np.random.Generator) -> np.ndarray:
    """Draw the classes of a picture: rectangles on background."""
    classes = np.zeros((96, 128), dtype=int)
    for number in range(1, len(COLORS)):
        y, x = rng.integers(0, 60), rng.integers(0, 90)
        classes[y : y + 30, x : x + 32] = number
    return classes


def photograph(rng: np.random.Generator, classes: np.ndarray) -> Image.Image:
    """Return a picture with noise and a slope of light."""
    light = np.linspace(0, 90, classes.shape[1])[None, :, None]
    noisy = COLORS[classes] // 2 + light + rng.integers(0, 60, (*classes.shape, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture(params=[75, 95])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return pictures with labels of some quality, and the classes as they were."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels", "truth"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for number in range(8):
        classes = draw(rng)
        photograph(rng, classes).save(tmp_path / f"set/images/{number:03d}.jpg")
        label = Image.fromarray(COLORS[classes])
        label.save(tmp_path / f"set/labels/{number:03d}.jpg", quality=request.param)
        np.save(tmp_path / f"{number}.npy", classes)
    (tmp_path / "set/truth").rmdir()
    return tmp_path / "set"


def test_a_draft_has_the_colours_and_reads_nearly_every_pixel_right(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = folder.parent / "draft.yaml"
    assert cli.main(["new", str(folder), "-o", str(draft)]) == 0
    text = draft.read_text()
    assert "encoding: rgb\ntolerance: " in text
    assert "a JPEG's losses; each colour counts as the nearest of these" in text
    assert "# Not used" not in text
    assert "mend" not in capsys.readouterr().out
    spec = DatasetSpec.from_document(load_text(text, str(draft)))
    colors = {name: entry.values[0] for name, entry in spec.classes.items()}
    exact = [int(color @ np.array([1 << 16, 1 << 8, 1])) for color in COLORS.astype(int)]
    assert len(colors) == len(exact)
    nearest = [
        min(
            exact,
            key=lambda one: sum(abs((one >> p & 255) - (color >> p & 255)) for p in (0, 8, 16)),
        )
        for color in colors.values()
    ]
    assert sorted(nearest) == sorted(exact)
    reader = LabelReader(spec)
    right = total = 0
    for number in range(8):
        truth = np.load(folder.parent / f"{number}.npy")
        found = reader.read(folder, f"labels/{number:03d}.jpg")
        right += int((np.array([exact.index(one) for one in nearest])[found] == truth).sum())
        total += truth.size
    assert right >= 0.97 * total


def test_photographs_are_no_labels_whatever_their_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(4):
            path = tmp_path / name / f"{number:03d}.jpg"
            photograph(rng, draw(rng)).save(path)
            assert not are_lossy_colors(path)
    with pytest.raises(HarmonizeError, match="none of these look like labels"):
        new_mapping(tmp_path, output=tmp_path / "draft.yaml")


@pytest.mark.parametrize("option", [("--labels", "shades"), ("--images", "images")])
def test_a_named_folder_has_the_labels_or_the_pictures(
    option: tuple[str, str], folder: Path
) -> None:
    if option[0] == "--labels":
        (folder / "labels").rename(folder / "shades")
    draft = folder.parent / "draft.yaml"
    assert cli.main(["new", str(folder), "-o", str(draft), *option]) == 0
    text = draft.read_text()
    assert "encoding: rgb\ntolerance: " in text
    assert f'label: "{option[1] if option[0] == "--labels" else "labels"}/' in text


def test_a_picture_beside_the_labels_is_no_obstacle(folder: Path) -> None:
    Image.fromarray(np.repeat(COLORS, 8, axis=0)[None].repeat(9, axis=0)).save(
        folder / "legend.png"
    )
    new_mapping(folder, output=folder.parent / "draft.yaml")
    assert 'label: "labels/' in (folder.parent / "draft.yaml").read_text()


def test_a_named_folder_has_labels_that_look_like_photographs(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name in ("images", "objects"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for number in range(4):
        path = f"{number:03d}"
        photograph(rng, draw(rng)).save(tmp_path / f"set/images/{path}.jpg")
        objects = rng.integers(0, 200, (96, 128), dtype=np.uint8)
        Image.fromarray(objects).save(tmp_path / f"set/objects/{path}.png")
    draft = tmp_path / "draft.yaml"
    assert cli.main(["new", str(tmp_path / "set"), "--labels", "objects", "-o", str(draft)]) == 0
    assert "encoding: ids" in draft.read_text()


def test_small_classes_are_kept_and_shares_are_those_before_the_losses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = draw(rng)
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(3):
            path = tmp_path / name / f"{number:03d}.jpg"
            picture = photograph(rng, classes) if name == "images" else COLORS[classes]
            (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path)
    new_mapping(tmp_path, output=tmp_path / "draft.yaml", scan=1)
    text = (tmp_path / "draft.yaml").read_text()
    written = [float(one) for one in re.findall(r"# TODO name; ([\d.]+) %", text)]
    shares = np.sort(np.bincount(classes.ravel()))[::-1] * 100 / classes.size
    assert np.abs(np.array(written) - shares).max() < 0.3
    assert "no class here counts as the nearest, or is an error when it is met" in text


def test_losses_are_taken_off_by_hand() -> None:
    counted = {
        0x000000: (900, 800),
        0x010000: (90, 60),
        0xFE0001: (500, 450),
        0x7F0000: (40, 0),
        0xFA0404: (30, 3),
    }
    kept, tolerance = without_losses(counted)
    assert kept == {0x000000, 0xFE0001}
    assert tolerance == 0x7F
    assert [full_colors(color) for color in sorted(kept)] == [0x000000, 0xFF0000]
    assert full_colors(0x800405) == 0x800005
    # 126 from 0xFE0001, but 127 from 0xFF0000, as which that is written
    del counted[0x7F0000]
    assert without_losses({**counted, 0x800000: (9, 0)}) == (kept, 0x7F)
