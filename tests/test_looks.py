"""Changes to how a sample looks: each does what it says, as torchvision does it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.looks import Looks, changed_looks, draw_looks


def noise(size: int, seed: int = 0) -> torch.Tensor:
    """Return a random picture."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(256, size=(3, size, size), dtype=np.uint8))


@pytest.mark.parametrize("gamma", [0.5, 0.9, 1.7])
def test_gamma_is_torchvision_s(gamma: float) -> None:
    picture = noise(20)
    assert torch.equal(changed_looks(picture, Looks(gamma=gamma)), F.adjust_gamma(picture, gamma))


def test_grey_leaves_brightness_and_no_colour() -> None:
    picture = noise(20)
    grey = changed_looks(picture, Looks(grey=True))
    assert torch.equal(grey, F.rgb_to_grayscale(picture, num_output_channels=3))
    assert torch.equal(grey[0], grey[2])


@given(deviation=st.floats(0.05, 3), size=st.integers(25, 40))
def test_blur_is_torchvision_s(deviation: float, size: int) -> None:
    picture, reach = noise(size), int(np.ceil(3 * deviation))
    blurred = changed_looks(picture, Looks(blur=deviation))
    side = 2 * reach + 1
    expected = F.gaussian_blur(picture, [side, side], [deviation, deviation])
    assert (blurred.int() - expected.int()).abs().max() <= 1  # rounded from other sums
    assert blurred.dtype == torch.uint8


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_blur_may_reach_further_than_the_picture(size: int) -> None:
    even = torch.full((3, size, size), 77, dtype=torch.uint8)
    assert torch.equal(changed_looks(even, Looks(blur=20.0)), even)


def test_noise_has_its_deviation_and_follows_its_seed() -> None:
    even = torch.full((3, 100, 100), 128, dtype=torch.uint8)
    noisy = changed_looks(even, Looks(noise=10.0, noise_seed=4))
    assert 9.8 < noisy.float().std() < 10.2
    assert 127.7 < noisy.float().mean() < 128.3
    torch.rand(3)  # the global stream plays no part
    assert torch.equal(noisy, changed_looks(even, Looks(noise=10.0, noise_seed=4)))
    assert not torch.equal(noisy, changed_looks(even, Looks(noise=10.0, noise_seed=5)))
    assert (even == 128).all()
    bright = changed_looks(torch.full_like(even, 255), Looks(noise=50.0))
    assert 0.4 < (bright == 255).float().mean() < 0.6  # cut off, not wrapped around


@pytest.mark.parametrize(
    ("key", "value", "field", "low", "high"),
    [
        ("gamma", 2.0, "gamma", 0.5, 2.0),
        ("blur", 3.0, "blur", 0.0, 3.0),
        ("noise", 12.0, "noise", 0.0, 12.0),
    ],
)
def test_each_key_is_drawn_alone_and_up_to_its_bound(
    key: str, value: float, field: str, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_looks(rng, AugmentConfig(**{key: value})) for _ in range(500)]  # type: ignore[arg-type]
    values = [getattr(looks, field) for looks in drawn]
    assert low <= min(values) < low + 0.03 * (high - low)
    assert high - 0.03 * (high - low) < max(values) <= high
    for looks in drawn:
        assert looks is not None
        assert looks == Looks(**{field: getattr(looks, field), "noise_seed": looks.noise_seed})


def test_grey_has_its_probability() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_looks(rng, AugmentConfig(grey=0.25)) for _ in range(1000)]
    assert 200 < sum(looks == Looks(grey=True) for looks in drawn) < 300
    assert sum(looks == Looks() for looks in drawn) > 700


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert draw_looks(rng, AugmentConfig()) is None
    assert rng.random() == other.random()
