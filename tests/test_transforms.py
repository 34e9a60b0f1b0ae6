"""Random changes to a picture and its codes: inside the picture, aligned, and repeatable."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.looks import Looks
from harmonize.data.resizing import resize_nearest
from harmonize.data.transforms import (
    Augmentation,
    augment,
    draw_augmentation,
)
from harmonize.data.warping import FILL
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

SIDES = st.integers(1, 400)
VOID = 99
STRONGER = [
    AugmentConfig(**changed)  # type: ignore[arg-type]
    for changed in (
        {"rotate": 40},
        {"shear": 30},
        {"stretch": 2.0},
        {"perspective": 0.4},
        {"scale": (0.5, 3.0)},
        {"gamma": 2.0, "grey": 0.5},
        {"blur": 2.0},
        {"noise": 20.0},
        {"cutout": 3},
    )
]
"""One option each, beyond flips, crops and colours."""
SAME = torch.arange(1200, dtype=torch.int16)  # a table that exchanges nothing


@st.composite
def configs(draw: st.DrawFn) -> AugmentConfig:
    """Draw any augmentation that a config may ask for."""
    scales = st.floats(0, 1, exclude_min=True)
    low, high = sorted((draw(scales), draw(scales)))
    return AugmentConfig(
        flip=draw(st.floats(0, 1)), scale=(low, high), color=draw(st.floats(0, 0.9))
    )


def changes(
    crop: tuple[int, int, int],
    *,
    flip: bool = False,
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
) -> Augmentation:
    """Return an augmentation that does only what is asked for."""
    return Augmentation(crop, flip, brightness, contrast, saturation)


def noise(height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    """Return a picture of random pixels."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(256, size=(3, height, width), dtype=np.uint8))


def apply(
    picture: torch.Tensor,
    codes: torch.Tensor,
    choices: Augmentation,
    *,
    size: int,
    mirror: torch.Tensor = SAME,
    void: int = VOID,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Augment a picture (3, H, W) whose labels are codes already."""
    table = SAME.numpy().astype(codes.numpy().dtype)
    pixels, labels = picture.permute(1, 2, 0).numpy(), codes.numpy()
    mirror_table = mirror.numpy().astype(labels.dtype)
    return augment(pixels, labels, choices, size=size, codes=table, mirror=mirror_table, void=void)


@given(
    height=SIDES,
    width=SIDES,
    scale=st.tuples(st.floats(1, 4), st.floats(1, 4)).map(sorted),
    seed=st.integers(0, 999),
)
def test_a_crop_beyond_the_picture_holds_it_as_far_as_its_middle_is_on_it(
    height: int, width: int, scale: list[float], seed: int
) -> None:
    config = AugmentConfig(scale=(scale[0], scale[1]))
    rng = np.random.default_rng(seed)
    top, left, side = draw_augmentation(rng, config, height=height, width=width).crop
    shorter = min(height, width)
    assert shorter * scale[0] - 0.5 <= side <= shorter * scale[1] + 0.5
    for start, length in ((top, height), (left, width)):
        assert -1 <= 2 * start + side <= 2 * length + 1
        if side <= length:
            assert 0 <= start <= length - side
        elif side <= 2 * length:
            assert length - side <= start <= 0


def test_a_crop_beyond_the_picture_is_known_by_hand() -> None:
    picture = torch.full((3, 2, 4), 200, dtype=torch.uint8)
    codes = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=torch.uint8)
    painted, changed = apply(picture, codes, changes((-1, 1, 4)), size=4)
    assert changed.tolist() == [[VOID] * 4, [2, 3, 4, VOID], [6, 7, 8, VOID], [VOID] * 4]
    assert painted[1].tolist() == [[FILL[1]] * 4, *[[200] * 3 + [FILL[1]]] * 2, [FILL[1]] * 4]


@given(height=SIDES, width=SIDES, config=configs(), seed=st.integers(0, 2**32))
def test_the_crop_lies_inside_the_picture_and_has_the_size_asked_for(
    height: int, width: int, config: AugmentConfig, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    choices = draw_augmentation(rng, config, height=height, width=width)
    top, left, side = choices.crop
    assert 0 <= top <= height - side
    assert 0 <= left <= width - side
    shorter = min(height, width)
    low, high = config.scale
    assert max(shorter * low - 0.5, 1) <= side <= max(shorter * high + 0.5, 1)
    for factor in (choices.brightness, choices.contrast, choices.saturation):
        assert 1 - config.color <= factor <= 1 + config.color


@given(config=st.one_of(configs(), st.sampled_from(STRONGER)), seed=st.integers(0, 2**32))
def test_the_same_stream_draws_the_same_choices(config: AugmentConfig, seed: int) -> None:
    first, second = (
        draw_augmentation(np.random.default_rng(seed), config, height=90, width=70)
        for _ in range(2)
    )
    assert first == second


def test_draws_reach_every_corner_and_both_sides() -> None:
    rng = np.random.default_rng(0)
    config = AugmentConfig(flip=0.5, scale=(0.5, 1.0), color=0.5)
    drawn = [draw_augmentation(rng, config, height=4, width=6) for _ in range(400)]
    assert {choices.crop[2] for choices in drawn} == {2, 3, 4}
    assert {choices.crop[:2] for choices in drawn if choices.crop[2] == 2} == {
        (top, left) for top in range(3) for left in range(5)
    }
    assert 150 < sum(choices.flip for choices in drawn) < 250
    assert min(choices.contrast for choices in drawn) < 0.55
    assert max(choices.contrast for choices in drawn) > 1.45


@pytest.mark.parametrize(("chance", "flips"), [(0.0, False), (1.0, True)])
def test_a_flip_of_chance_0_or_1_is_certain(chance: float, flips: bool) -> None:
    rng = np.random.default_rng(0)
    config = AugmentConfig(flip=chance)
    for _ in range(50):
        assert draw_augmentation(rng, config, height=5, width=5).flip is flips


@given(data=st.data(), size=st.integers(24, 72), flip=st.booleans())
def test_picture_and_codes_stay_aligned(data: st.DataObject, size: int, flip: bool) -> None:
    height, width = data.draw(st.integers(40, 90)), data.draw(st.integers(40, 90))
    # Bands of grey, slanted so that a shift, a flip or a transposition shows.
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    codes = ((3 * rows + 2 * columns) // 48).to(torch.uint8)
    picture = (codes * 12).expand(3, height, width).contiguous()
    side = data.draw(st.integers(20, min(height, width)))
    crop = data.draw(st.integers(0, height - side)), data.draw(st.integers(0, width - side)), side
    painted, changed = apply(picture, codes, changes(crop, flip=flip), size=size)
    assert painted.shape == (3, size, size)
    assert changed.shape == (size, size)
    agree = (painted[0].float() / 12 - changed.float()).abs() < 0.5
    assert agree.float().mean() > 0.85
    assert ((painted[0].float() / 12 - changed.float()).abs() <= 1).all()


@pytest.mark.parametrize("size", [13, 20, 31])
def test_a_crop_takes_exactly_its_pixels(size: int) -> None:
    picture, codes = noise(30, 40), torch.arange(1200, dtype=torch.int16).reshape(30, 40)
    choices = changes((5, 9, 20))
    painted, changed = apply(picture, codes, choices, size=size)
    assert torch.equal(changed, resize_nearest(codes[5:25, 9:29], size, size))
    if size == 20:
        assert torch.equal(painted, picture[:, 5:25, 9:29])


@pytest.fixture(scope="module")
def space(repo: Path) -> TargetSpace:
    """The target space of Helen and LFW Parts on the tree of faces."""
    specs = [
        DatasetSpec.from_file(repo / f"datasets/{name}.yaml") for name in ("helen", "lfw_parts")
    ]
    return TargetSpace(Ontology.from_file(repo / "trees/faces.txt"), specs)


def flipped(
    picture: torch.Tensor, codes: torch.Tensor, space: TargetSpace
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip a square picture and its codes, and do nothing else."""
    size = codes.shape[0]
    choices = changes((0, 0, size), flip=True)
    return apply(picture, codes, choices, size=size, mirror=torch.from_numpy(space.mirror))


def test_a_flip_exchanges_left_and_right(space: TargetSpace) -> None:
    left, right = space.code("left_eye"), space.code("right_eye")
    brow, other = space.code("left_eyebrow"), space.code("right_eyebrow")
    skin, hair, face = space.code("face_skin"), space.code("hair"), space.code("face")
    codes = torch.tensor(
        [[left, skin, right], [brow, space.ignore, other], [hair, face, face]], dtype=torch.uint8
    )
    picture = noise(3, 3)
    painted, changed = flipped(picture, codes, space)
    assert changed.tolist() == [
        [left, skin, right],
        [brow, space.ignore, other],
        [face, face, hair],
    ]
    assert changed.dtype == torch.uint8
    assert torch.equal(painted, picture.flip(2))
    # One eye alone changes both its side and its name.
    _, changed = flipped(noise(2, 2), torch.tensor([[left, hair]] * 2, dtype=torch.uint8), space)
    assert changed.tolist() == [[hair, right]] * 2


@pytest.mark.parametrize("config", STRONGER, ids=str)
def test_a_flip_is_a_mirror_image_under_every_change(
    space: TargetSpace, config: AugmentConfig
) -> None:
    mirror = torch.from_numpy(space.mirror)
    rng = np.random.default_rng(3)
    codes = torch.from_numpy(rng.integers(space.num_codes, size=(50, 60), dtype=np.uint8))
    for seed in range(8):
        drawn = draw_augmentation(np.random.default_rng(seed), config, height=50, width=60)
        drawn = dataclasses.replace(
            drawn, holes=tuple((t, 0.4, h, 0.2) for t, _, h, _ in drawn.holes)
        )
        flipped, straight = (
            apply(
                noise(50, 60),
                codes,
                dataclasses.replace(drawn, flip=flip),
                size=32,
                mirror=mirror,
                void=space.ignore,
            )
            for flip in (True, False)
        )
        assert torch.equal(flipped[1], mirror[straight[1].flip(1).long()])
        if drawn.looks is None or not (drawn.looks.noise or drawn.looks.blur):
            apart = flipped[0].flip(2).int() - straight[0].int()
            assert apart.abs().max() <= 2  # the mean that contrast is about differs in its sum
        assert (flipped[1] != straight[1].flip(1)).any()  # leaves are exchanged


@pytest.mark.parametrize("config", STRONGER, ids=str)
def test_every_option_changes_a_sample_and_no_draw_of_another(config: AugmentConfig) -> None:
    codes = torch.arange(1200, dtype=torch.int16).reshape(30, 40)
    for seed in range(5):
        plain = AugmentConfig(scale=config.scale if config.scale[1] <= 1 else (1.0, 1.0))
        with_it, without = (
            draw_augmentation(np.random.default_rng(seed), one, height=30, width=40)
            for one in (config, plain)
        )
        if config.scale == plain.scale:
            assert with_it.crop == without.crop
        assert with_it.flip == without.flip
        changed, before = (apply(noise(30, 40), codes, one, size=24) for one in (with_it, without))
        if config.grey and with_it.looks == Looks(gamma=1.0):
            continue
        assert not torch.equal(changed[0], before[0])


@given(seed=st.integers(0, 1000))
def test_two_flips_change_nothing(space: TargetSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = [*range(space.num_codes), space.ignore]
    codes = torch.from_numpy(rng.choice(known, size=(9, 9)).astype(np.uint8))
    picture = noise(9, 9, seed=seed)
    once = flipped(picture, codes, space)
    twice = flipped(*once, space)
    assert torch.equal(twice[0], picture)
    assert torch.equal(twice[1], codes)
    assert not torch.equal(once[0], picture)


def test_no_jitter_leaves_every_colour_as_it_is() -> None:
    config = AugmentConfig(flip=0.0, scale=(1.0, 1.0), color=0.0)
    picture, codes = noise(32, 32), torch.zeros(32, 32, dtype=torch.uint8)
    for seed in range(20):
        choices = draw_augmentation(np.random.default_rng(seed), config, height=32, width=32)
        assert choices == changes((0, 0, 32))
        painted, _ = apply(picture, codes, choices, size=32)
        assert torch.equal(painted, picture)


def test_jitter_changes_colours_and_never_codes() -> None:
    codes = torch.from_numpy(np.random.default_rng(0).integers(9, size=(16, 16), dtype=np.uint8))
    picture = torch.full((3, 16, 16), 100, dtype=torch.uint8)
    picture[0] = 140
    picture[:, :8] //= 2
    for choices, expected in (
        (changes((0, 0, 16), brightness=0.5), picture // 2),
        (changes((0, 0, 16), brightness=1.5), (picture.float() * 1.5).to(torch.uint8)),
        (changes((0, 0, 16), contrast=0.0), None),
        (changes((0, 0, 16), saturation=0.0), None),
    ):
        painted, changed = apply(picture, codes, choices, size=16)
        assert torch.equal(changed, codes)
        assert painted.dtype == torch.uint8
        if expected is not None:
            assert torch.equal(painted, expected)
        elif choices.contrast == 0:  # the mean grey everywhere: 0.3 R + 0.7 G or B
            assert len(painted.unique()) == 1
            assert 82 <= painted[0, 0, 0] <= 86
        else:  # grey, as bright as before
            assert torch.equal(painted[0], painted[1])
            assert (painted[0, 8:] > painted[0, :8]).all()


@given(
    factors=st.tuples(*[st.one_of(st.just(1.0), st.floats(0.1, 1.9))] * 3),
    size=st.integers(1, 40),
    flip=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_sample_is_what_torchvision_makes_of_the_crop_to_the_last_bit(
    factors: tuple[float, float, float], size: int, flip: bool, seed: int
) -> None:
    picture, codes = noise(40, 50, seed=seed), torch.arange(2000, dtype=torch.int16) % 1200
    side = np.random.default_rng(seed).integers(1, 38)
    choices = Augmentation((2, 3, int(side)), flip, *factors)
    painted, _ = apply(picture, codes.reshape(40, 50), choices, size=size)
    expected = picture[:, 2 : 2 + side, 3 : 3 + side]
    expected = F.resize(expected, [size, size], antialias=True)
    expected = expected.flip(-1) if flip else expected
    for change, factor in zip(
        (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation), factors, strict=True
    ):
        expected = change(expected, factor) if factor != 1 else expected
    assert torch.equal(painted, expected)


@given(seed=st.integers(0, 1000), config=st.one_of(configs(), st.sampled_from(STRONGER)))
def test_the_same_choices_give_the_same_sample(seed: int, config: AugmentConfig) -> None:
    picture, codes = noise(20, 30), torch.arange(600, dtype=torch.int16).reshape(20, 30)
    choices = draw_augmentation(np.random.default_rng(seed), config, height=20, width=30)
    first = apply(picture, codes, choices, size=16)
    torch.rand(seed % 7 + 1)  # the global stream plays no part
    second = apply(picture, codes, choices, size=16)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(picture, noise(20, 30))  # nor is the source changed
    assert torch.equal(codes, torch.arange(600, dtype=torch.int16).reshape(20, 30))
