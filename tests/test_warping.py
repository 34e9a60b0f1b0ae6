"""Warped crops: picture and labels at the same places, void outside, and known cases by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from torchvision.transforms.v2 import functional as F

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.transforms import augment, draw_augmentation
from harmonize.data.warping import FILL, Warp, draw_warp, warped

STRONG = AugmentConfig(
    flip=0.5, scale=(0.3, 2.0), rotate=180, shear=30, stretch=1.5, perspective=0.4
)


def warps() -> st.SearchStrategy[dict[str, Any]]:
    """Draw the fields of any warp of moderate strength."""
    inwards = st.floats(0, 0.5)
    return st.fixed_dictionaries(
        {
            "angle": st.floats(-180, 180),
            "shear": st.floats(-40, 40),
            "stretch": st.floats(0.5, 2),
            "corners": st.tuples(*[st.tuples(inwards, inwards)] * 4),
        }
    )


def by_hand(matrix: ndarray, size: int, row: int, column: int) -> tuple[float, float]:
    """Return x and y in the picture of the centre of one pixel of a sample."""
    u, v = (2 * column + 1) / size - 1, (2 * row + 1) / size - 1
    x, y, depth = matrix @ (u, v, 1)
    return x / depth, y / depth


@settings(max_examples=30)
@given(warp=warps(), size=st.integers(1, 12), side=st.integers(1, 60), seed=st.integers(0, 99))
def test_labels_are_those_of_the_pixels_that_centres_are_in(
    warp: dict[str, Any], size: int, side: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(500, size=(20, 31)).astype(np.int16)
    matrix = Warp(**warp).matrix(int(rng.integers(-5, 20)), int(rng.integers(-5, 30)), side)
    picture = np.zeros((20, 31, 3), dtype=np.uint8)
    painted, numbers, known = warped(picture, labels, matrix, size)
    for row, column in np.ndindex(size, size):
        x, y = by_hand(matrix, size, row, column)
        if min(abs(place - round(place)) for place in (x, y)) < 1e-9:
            continue  # between two pixels
        inside = 0 <= x < 31 and 0 <= y < 20
        assert known[row, column] == inside
        if inside:
            assert numbers[row, column] == labels[math.floor(y), math.floor(x)]
        assert tuple(painted[:, row, column].tolist()) == ((0, 0, 0) if inside else FILL)


@settings(max_examples=60)
@given(warp=warps(), side=st.integers(8, 80), enlarged=st.booleans(), seed=st.integers(0, 99))
def test_picture_and_labels_are_at_the_same_place_within_half_a_pixel(
    warp: dict[str, Any], side: int, enlarged: bool, seed: int
) -> None:
    # The colours of a pixel say where it is, and its label too.
    rows, columns = np.mgrid[:120, :120]
    picture = np.stack([2 * columns, 2 * rows, 0 * rows], axis=-1).astype(np.uint8)
    labels = (rows * 120 + columns).astype(np.int32)
    rng = np.random.default_rng(seed)
    top, left = rng.integers(120 - side + 1, size=2).tolist()
    size = 4 * side if enlarged else int(rng.integers((side + 1) // 2, side + 1))
    painted, numbers, known = warped(picture, labels, Warp(**warp).matrix(top, left, side), size)
    # Colours are rounded to half a place, twice where the picture was reduced before.
    most = 0.5 + (0.25 if enlarged else 0.5) + (1e-3 if enlarged else 0.1)
    edge = 1 if enlarged else 25
    column, row = numbers % 120, numbers // 120
    inner = known & (np.minimum(column, row) >= edge) & (np.maximum(column, row) < 120 - edge)
    for band, place in enumerate((column, row)):
        apart = (painted[band].numpy() / 2 - place)[inner]
        assert (np.abs(apart) <= most).all()
        assert abs(apart.mean()) < 0.1 if len(apart) > 400 else True


@pytest.mark.parametrize("angle", [0, 15, 90, 133])
@pytest.mark.parametrize("size", [40, 64, 130])
def test_what_a_warp_does_to_the_picture_it_does_to_the_label(angle: float, size: int) -> None:
    # Patches of one colour each: wherever nine labels around a pixel agree, so does the colour.
    rng = np.random.default_rng(size)
    patches = np.kron(rng.integers(20, size=(4, 6)), np.ones((30, 30), dtype=np.int16))
    picture = (12 * patches[..., None]).repeat(3, axis=2).astype(np.uint8)
    warp = Warp(angle, 8.0, 1.2, ((0.1, 0.2), (0.0, 0.1), (0.3, 0.0), (0.1, 0.1)))
    painted, numbers, known = warped(picture, patches, warp.matrix(10, 20, 90), size)
    seen = np.where(known, numbers, -1)
    shifted = [np.roll(seen, (a, b), (0, 1)) for a in range(-2, 3) for b in range(-2, 3)]
    alone = (np.stack(shifted) == seen).all(0) & known
    alone[[0, 1, -1, -2]] = alone[:, [0, 1, -1, -2]] = False
    assert alone.mean() > 0.05
    assert (painted[0].numpy() == 12 * numbers)[alone].all()


def test_a_quarter_turn_is_known_by_hand() -> None:
    labels = np.arange(16, dtype=np.int16).reshape(4, 4)
    picture = (labels[..., None] * 10).repeat(3, axis=2).astype(np.uint8)
    painted, numbers, known = warped(picture, labels, Warp(angle=90).matrix(0, 0, 4), 4)
    assert known.all()
    assert numbers.tolist() == np.rot90(labels).tolist()
    assert painted[1].tolist() == (10 * np.rot90(labels)).tolist()


def test_a_turn_by_any_angle_is_as_torchvision_turns() -> None:
    labels = np.kron(np.arange(36).reshape(6, 6), np.ones((8, 8))).astype(np.int16)
    picture = np.zeros((48, 48, 3), dtype=np.uint8)
    _, numbers, known = warped(picture, labels, Warp(angle=25).matrix(0, 0, 48), 48)
    turned = F.rotate(torch.from_numpy(labels)[None], 25, fill=[-1])[0].numpy()
    assert (np.where(known, numbers, -1) == turned).mean() > 0.97


@pytest.mark.parametrize(
    ("warp", "expected"),
    [
        (Warp(), [(2, 1), (6, 1), (6, 5), (2, 5)]),
        (Warp(stretch=4.0), [(0, 2), (8, 2), (8, 4), (0, 4)]),
        (Warp(shear=45.0), [(0, 1), (4, 1), (8, 5), (4, 5)]),
        (Warp(angle=90.0), [(6, 1), (6, 5), (2, 5), (2, 1)]),
        (
            Warp(corners=((0.5, 0.25), (0.0, 0.0), (0.5, 0.5), (0.0, 0.0))),
            [(3, 1.5), (6, 1), (5, 4), (2, 5)],
        ),
    ],
)
def test_corners_of_a_crop_are_known_by_hand(
    warp: Warp, expected: list[tuple[float, float]]
) -> None:
    matrix = warp.matrix(1, 2, 4)
    found = [matrix @ (u, v, 1) for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    assert np.allclose([(x / w, y / w) for x, y, w in found], expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_what_is_made_smaller_is_averaged(factor: int) -> None:
    # Fine stripes become an even grey; single pixels picked out of them would be black or white.
    columns = np.arange(120) % 2 * 200
    picture = np.broadcast_to(columns[None, :, None], (120, 120, 3)).astype(np.uint8)
    labels = np.zeros((120, 120), dtype=np.int16)
    matrix = Warp(angle=1e-9).matrix(0, 0, 120)
    painted, _, _ = warped(picture, labels, matrix, 120 // factor)
    assert (painted[:, 2:-2, 2:-2].float() - 100).abs().max() <= 35
    assert (painted.float().mean() - 100).abs() < 1


@given(seed=st.integers(0, 10_000), size=st.integers(1, 40))
def test_no_code_is_invented_and_void_is_where_no_picture_is(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(5, 50, size=2).tolist()
    used = np.array([3, 7, 8])
    labels = rng.integers(3, size=(height, width)).astype(np.int16)
    picture = np.full((height, width, 3), 250, dtype=np.uint8)
    choices = draw_augmentation(rng, STRONG, height=height, width=width)
    painted, codes = augment(
        picture,
        labels,
        choices,
        size=size,
        codes=used.astype(np.uint8),
        mirror=np.arange(256, dtype=np.uint8),
        void=255,
    )
    assert set(codes.unique().tolist()) <= {3, 7, 8, 255}
    assert codes.dtype == torch.uint8
    filled = (painted == torch.tensor(FILL)[:, None, None]).all(0)
    assert torch.equal(filled, codes == 255)
    assert (painted[:, ~filled] == 250).all()


@pytest.mark.parametrize(
    ("key", "most", "read"),
    [
        ("rotate", 30.0, lambda warp: warp.angle),
        ("shear", 20.0, lambda warp: warp.shear),
        ("stretch", 2.0, lambda warp: math.log2(warp.stretch) + 1),
    ],
)
def test_each_key_draws_its_own_change_evenly_up_to_its_bound(
    key: str, most: float, read: Callable[[Any], float]
) -> None:
    config = AugmentConfig(**{key: most})  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    drawn = [draw_warp(rng, config) for _ in range(500)]
    values = [read(warp) for warp in drawn]
    low, high = (0.0, 2.0) if key == "stretch" else (-most, most)
    assert low <= min(values) < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < max(values) <= high
    others = {"rotate": "angle"}.get(key, key)
    for warp in drawn:
        assert warp is not None
        assert warp == Warp(**{others: getattr(warp, others)})


def test_perspective_moves_corners_in_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_warp(rng, AugmentConfig(perspective=0.3)) for _ in range(200)]
    corners = np.array([warp.corners for warp in drawn if warp is not None])
    assert corners.shape == (200, 4, 2)
    assert corners.min() >= 0
    assert 0.29 < corners.max() <= 0.3
    assert {(w.angle, w.shear, w.stretch) for w in drawn if w is not None} == {(0.0, 0.0, 1.0)}


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert draw_warp(rng, AugmentConfig()) is None
    assert rng.random() == other.random()
