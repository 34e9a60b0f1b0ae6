"""Rectangles cut out of samples, and classes of other pictures pasted into them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dataset_files import make_spec, save
from harmonize.config.augment_config import AugmentConfig
from harmonize.data.bad_samples import BadSampleError
from harmonize.data.covering import choose_code, cut_out, draw_holes, pasted, telling
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Treatment
from harmonize.data.mixing import MixedOrder
from harmonize.data.samples import MixedSamples
from harmonize.data.warping import FILL
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

TREE = Ontology("background\nthing\n\tleft\n\tright\n@mirror left right\n", name="tiny")
CLASSES = "{background: 0, left: 1, right: 2, any: 3, void: 9}"
MEANING = (
    "{tiny: {background: background, left: left, right: right, any: [background, thing], "
    "void: ignore}}"
)


@given(seed=st.integers(0, 10_000), size=st.integers(1, 60), number=st.integers(0, 4))
def test_holes_are_filled_and_void_and_nothing_else_changes(
    seed: int, size: int, number: int
) -> None:
    rng = np.random.default_rng(seed)
    config = AugmentConfig(cutout=number, cutout_size=(0.05, 0.4))
    holes = draw_holes(rng, config)
    assert len(holes) == number
    picture = torch.full((3, size, size), 9, dtype=torch.uint8)
    codes = np.zeros((size, size), dtype=np.uint8)
    cut_out(picture, codes, holes, 255)
    assert set(np.unique(codes).tolist()) <= {0, 255}
    assert (codes == 255).any() == (number > 0)
    filled = (picture == torch.tensor(FILL)[:, None, None]).all(0).numpy()
    assert (filled == (codes == 255)).all()
    assert (picture[:, torch.from_numpy(~filled)] == 9).all()
    most = sum((height + 1 / size) * (width + 1 / size) for _, _, height, width in holes)
    assert (codes == 255).mean() <= most + 1e-9
    for top, left, height, width in holes:
        assert 0.05 <= min(height, width) <= max(height, width) <= 0.4
        assert min(top, left) >= 0
        assert max(top + height, left + width) <= 1


def test_a_hole_is_known_by_hand() -> None:
    picture, codes = torch.zeros(3, 10, 10, dtype=torch.uint8), np.zeros((10, 10), dtype=np.int16)
    cut_out(picture, codes, ((0.2, 0.5, 0.3, 0.1),), 99)
    expected = np.zeros((10, 10), dtype=int)
    expected[2:5, 5:6] = 99
    assert codes.tolist() == expected.tolist()


def test_small_classes_are_chosen_more_often_and_only_usable_ones_of_a_fitting_size() -> None:
    codes = torch.zeros(100, 100, dtype=torch.uint8)  # 0 has too many pixels
    codes[0, :100], codes[1:5, :100] = 1, 2  # 100 and 400 pixels: 2 to 1
    codes[10:20], codes[30:50, 0], codes[99, :9] = 3, 255, 4  # unusable, void, too few
    usable = np.zeros(256, dtype=bool)
    usable[[0, 1, 2, 4]] = True
    picks = [choose_code(codes, usable, pick / 900) for pick in range(900)]
    assert picks == [1] * 600 + [2] * 300
    assert choose_code(codes[30:50, :20], usable, 0.5) is None


def test_what_is_pasted_brings_its_labels() -> None:
    sample = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)
    donor = torch.full((3, 4, 4), 5, dtype=torch.uint8), torch.eye(4, dtype=torch.uint8)
    picture, codes = pasted(sample, donor, 1)
    assert torch.equal(codes, torch.eye(4, dtype=torch.uint8))
    assert torch.equal(picture[2], 5 * torch.eye(4, dtype=torch.uint8))
    assert not sample[1].any()


def test_labels_that_rule_nothing_out_are_not_pasted() -> None:
    space = TargetSpace(TREE, [make_spec(CLASSES, MEANING)])
    codes = space.class_codes("tiny").tolist()
    assert [bool(telling(space)[code]) for code in codes] == [True, True, True, False, False]
    assert len(telling(space)) == space.ignore + 1


def write(folder: Path, number: int, kind: int, where: slice) -> None:
    """Write a picture whose colour says its number, with a stripe of one class."""
    label = np.zeros((20, 20), dtype=np.uint8)
    label[where] = kind
    picture = np.full((20, 20, 3), 40 * number + 10, dtype=np.uint8)
    save(folder / f"{number}.png", picture)
    save(folder / f"{number}_label.png", label)


def samples(folder: Path, *, skip_bad: bool = False, **config: object) -> MixedSamples:
    """Return the samples of what lies in a folder."""
    spec = make_spec(CLASSES, MEANING)
    dataset = SegmentationDataset(spec, "all", root=folder)
    return MixedSamples(
        [dataset],
        MixedOrder([len(dataset)], [1], seed=0),
        TargetSpace(TREE, [spec]),
        treatments=[Treatment(AugmentConfig(**config), 20)],  # type: ignore[arg-type]
        size=20,
        skip_bad=skip_bad,
    )


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_class_of_another_picture_is_pasted_with_its_label(tmp_path: Path, flip: float) -> None:
    write(tmp_path, 0, 0, slice(0, 0))  # nothing but background, which is too large to be pasted
    write(tmp_path, 1, 1, slice(3, 6))
    with_it, without = samples(tmp_path, paste=1.0, flip=flip), samples(tmp_path, flip=flip)
    for position in range(4):
        found, plain = with_it[position], without[position]
        number = with_it.find(position).draw.picture
        assert with_it.find(position).donor is not None
        left = 2 if flip else 1  # the mirror leaf
        if number == 1:  # nothing of the other can be pasted
            assert torch.equal(found.codes, plain.codes)
            continue
        expected = torch.zeros(20, 20, dtype=torch.uint8)
        expected[3:6] = left
        assert torch.equal(found.codes[0], expected)
        assert torch.equal(found.pictures[0, 0], 10 + 40 * (expected > 0).to(torch.uint8))


def test_paste_has_its_probability_and_never_takes_the_picture_itself(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, number, 1, slice(3, 6))
    found = [samples(tmp_path, paste=0.3).find(position) for position in range(300)]
    donors = [(one.draw.picture, one.donor.picture) for one in found if one.donor]
    assert 70 < len(donors) < 110
    assert set(donors) == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_a_lone_picture_is_pasted_into_itself(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, slice(3, 6))
    found = samples(tmp_path, paste=1.0).find(0)
    assert found.donor is not None
    assert found.donor.picture == 0


def test_a_bad_donor_stops_or_is_left_out_and_listed(tmp_path: Path) -> None:
    write(tmp_path, 0, 1, slice(3, 6))
    write(tmp_path, 1, 1, slice(3, 6))
    good = next(n for n in range(2) if samples(tmp_path).find(n).draw.picture == 0)
    expected = samples(tmp_path, flip=0.0)[good]
    (tmp_path / "1_label.png").write_bytes(b"no picture")
    with pytest.raises(BadSampleError, match=r"1_label\.png"):
        samples(tmp_path, paste=1.0)[good]
    found = samples(tmp_path, paste=1.0, flip=0.0, skip_bad=True)[good]
    assert torch.equal(found.codes, expected.codes)
    assert [bad.picture for bad in found.skipped] == ["1.png"]
