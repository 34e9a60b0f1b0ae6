"""Pictures and labels of different sizes and shapes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import folder_cases
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.sizes import Size, of_one_shape, refuse_sizes
from harmonize.errors import HarmonizeError
from spoiled import LABEL, passes, problems, save, spoil, write_set

SCALE = "; say `resize_picture: true` in the mapping to scale pictures to their labels"
TURNED = "; one of the two is turned by 90 degrees: save it as the other is"
SHAPE = "; scaling would change its shape: save it or its label cut as the other is"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((80, 60), (80, 60), True),
        ((80, 60), (40, 30), True),
        ((80, 61), (80, 60), True),
        ((1023, 767), (512, 384), True),
        ((500, 375), (64, 48), True),
        ((333, 500), (21, 32), True),  # both rounded up
        ((80, 60), (60, 80), False),
        ((61, 60), (60, 61), False),  # turned, though the shape is the same but for rounding
        ((80, 60), (64, 64), False),
        ((80, 62), (80, 60), False),
        ((1920, 1080), (640, 480), False),
    ],
)
def test_shapes_are_alike_up_to_rounding(one: Size, other: Size, alike: bool) -> None:
    assert of_one_shape(one, other) == alike
    assert of_one_shape(one[::-1], other[::-1]) == alike


@pytest.mark.parametrize(
    ("picture", "label", "scaled", "remedy"),
    [
        ((60, 80), (80, 60), False, TURNED),
        ((60, 80), (80, 60), True, TURNED),
        ((120, 160), (80, 60), True, TURNED),
        ((80, 61), (80, 60), False, SCALE),
        ((160, 120), (80, 60), False, SCALE),
        ((80, 64), (80, 60), False, ""),
        ((80, 64), (80, 60), True, SHAPE),
        ((80, 60), (80, 60), False, None),
        ((160, 121), (80, 60), True, None),
    ],
)
def test_what_does_not_fit_is_refused_with_its_remedy(
    tmp_path: Path, picture: Size, label: Size, scaled: bool, remedy: str | None
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", picture).save(path)
    if remedy is None:
        refuse_sizes(path, picture, "b.png", label, scaled=scaled)
        return
    with pytest.raises(HarmonizeError) as caught:
        refuse_sizes(path, picture, "b.png", label, scaled=scaled)
    assert str(caught.value) == (
        f"{path}: {picture[0]} x {picture[1]} pixels, but its label b.png has "
        f"{label[0]} x {label[1]}{remedy}"
    )


def test_check_and_training_refuse_a_turned_picture_that_is_scaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set(tmp_path, monkeypatch)
    spoil(resize_picture="true")
    save("data/images/a.png", np.zeros((8, 12, 3), np.uint8))
    passes(capsys, "fine.yaml")
    save("data/images/b.png", np.zeros((6, 4, 3), np.uint8))
    told = f"data/images/b.png: 4 x 6 pixels, but its label labels/b.png has 6 x 4{TURNED}"
    assert LABEL.shape == (4, 6)
    assert problems(capsys, "fine.yaml") == [told]
    spec = folder_cases.DatasetSpec.from_file("fine.yaml")
    dataset = SegmentationDataset(spec, "train", root=Path("data"))
    with pytest.raises(HarmonizeError, match="turned by 90 degrees"):
        dataset[1]


@pytest.mark.parametrize(
    ("height", "width", "resized"),
    [(48, 80, True), (24, 41, True), (40, 24, False), (24, 24, False)],
)
def test_a_draft_scales_pictures_of_their_labels_shape_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    height: int,
    width: int,
    resized: bool,
) -> None:
    folder = tmp_path / "set"
    for number in range(4):
        folder_cases.save(folder / "images" / f"x{number}y.jpg", folder_cases.photo(height, width))
        folder_cases.save(folder / "labels" / f"x{number}y.png", folder_cases.label([0, 1, 2]))
    spec = folder_cases.draft(folder, monkeypatch)
    assert spec.resize_picture == resized
    assert ("to mend: " in capsys.readouterr().out) != resized
