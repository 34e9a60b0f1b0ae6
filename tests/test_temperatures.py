"""Temperatures fitted to labelled pixels."""

import math

import pytest
import torch
from torch import Tensor

from arithmetic import rounded
from harmonize.calibration.temperatures import (
    BOUND,
    LEAST_PICTURES,
    LEAST_PIXELS,
    SPREAD,
    fit,
    logit_gaps,
    mean_loss,
    minimize,
    of_class,
    owners,
    scaled,
)
from harmonize.evaluation.sampling import PixelSample

LEAVES = torch.eye(4, dtype=torch.bool)
NAMES = ("a", "b", "c", "d")


def draw(
    temperatures: Tensor, *, pixels: int = 40000, pictures: int = 50, seed: int = 0
) -> PixelSample:
    """Draw labels from softmax(logits / temperature of the most probable leaf)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(pixels, len(temperatures), generator=generator)
    p = scaled(logits.T, temperatures).T.softmax(1)
    truth = torch.multinomial(p, 1, generator=generator)[:, 0]
    return PixelSample(logits, truth, torch.arange(pixels) % pictures)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_are_drawn_at_is_found(temperature: float) -> None:
    found = fit(draw(torch.full((4,), temperature)), labels=LEAVES, names=NAMES)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert list(found.by_class) == list(NAMES)
    assert all(value == pytest.approx(temperature, rel=0.08) for value in found.by_class.values())


def test_each_class_has_a_temperature_of_its_own() -> None:
    drawn = torch.tensor([0.7, 1.0, 1.6, 2.2])
    found = fit(draw(drawn), labels=LEAVES, names=NAMES)
    torch.testing.assert_close(found.by_leaf, drawn, rtol=0.1, atol=0)
    by_class = torch.tensor(list(found.by_class.values()))
    torch.testing.assert_close(by_class, found.by_leaf, rtol=1e-5, atol=0)


def test_labels_that_mean_sets_of_leaves_find_it_too() -> None:
    sample = draw(torch.full((4,), 1.8))
    coarse = PixelSample(sample.logits, sample.classes // 2, sample.pictures)
    pairs = torch.tensor([[True, True, False, False], [False, False, True, True]])
    found = fit(coarse, labels=pairs, names=("ab", "cd"))
    assert found.temperature == pytest.approx(1.8, rel=0.08)
    assert found.by_leaf[0] == found.by_leaf[1] == pytest.approx(found.by_class["ab"])


def test_the_loss_is_that_of_the_labels_at_a_temperature() -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0], [0.0, 300.0, 1.0]])
    labels = torch.tensor([[False, True, True], [True, False, False]])  # of the one, of the other
    for temperature in (0.2, 1.0, 5.0):
        p = (logits.double() / temperature).softmax(1)
        exact = [-math.log(p[0, 1] + p[0, 2]), 300 / temperature]
        for pixel in (0, 1):
            sample = PixelSample(logits[[pixel]], torch.tensor([pixel]), torch.tensor([0]))
            found = mean_loss(sample, labels, torch.full((3,), temperature))
            # Logits up to 300 / 0.2 are rounded before their difference is taken.
            assert found == pytest.approx(exact[pixel], rel=rounded(4), abs=1500 * rounded(4))


def test_a_leaf_is_owned_by_the_smallest_class_that_has_it() -> None:
    labels = torch.tensor(
        [
            [True, True, True, False, False],
            [False, True, True, False, False],
            [False, False, True, True, False],
            [False, False, False, False, False],
        ]
    )
    assert owners(labels).tolist() == [0, 1, 1, 2, -1]


def test_leaves_of_no_class_take_the_temperature_of_the_set() -> None:
    found = fit(draw(torch.full((4,), 2.0)), labels=LEAVES[:, [0, 1, 2, 3]], names=NAMES)
    labels = LEAVES.clone()
    labels[3] = False
    sample = draw(torch.tensor([2.0, 2.0, 2.0, 9.0]))
    partly = fit(sample.where(sample.classes != 3), labels=labels, names=NAMES)
    assert "d" in found.by_class
    assert "d" not in partly.by_class
    assert partly.by_leaf[3] == pytest.approx(partly.temperature)


@pytest.mark.parametrize(
    ("pictures", "pixels", "differs"),
    [
        (LEAST_PICTURES - 1, 10000, False),
        (LEAST_PICTURES, 10000, True),
        (50, LEAST_PIXELS - 1, False),
        (50, LEAST_PIXELS, True),
    ],
)
def test_a_class_in_few_pictures_or_pixels_takes_the_temperature_of_the_set(
    pictures: int, pixels: int, differs: bool
) -> None:
    sample = draw(torch.tensor([0.5, 2.0, 2.0, 2.0]))
    first = sample.logits.argmax(1) == 0
    few = first & (sample.pictures < pictures)
    few &= few.cumsum(0) <= pixels
    found = fit(sample.where(few | ~first), labels=LEAVES, names=NAMES)
    assert (found.by_class["a"] != found.temperature) == differs


def take(sample: PixelSample, numbers: Tensor) -> PixelSample:
    """Return some pixels by number, each as often as it is named."""
    return PixelSample(sample.logits[numbers], sample.classes[numbers], sample.pictures[numbers])


def of_first_leaf(pixels: int) -> PixelSample:
    """Draw pixels whose most probable leaf is the first, half as sure as the labels are."""
    sample = draw(torch.full((4,), 0.5), pixels=6 * pixels, pictures=25)
    return take(sample, (sample.logits.argmax(1) == 0).nonzero()[:pixels, 0])


def own_log(sample: PixelSample) -> float:
    def loss(log_t: float) -> float:
        return mean_loss(sample, LEAVES, torch.full((4,), math.exp(log_t)))

    return minimize(loss)


def weight(sample: PixelSample, whole: float = 0.7) -> float:
    """Return how much of a class's own temperature is left; the set's is about 2."""
    gaps = logit_gaps(sample.logits, LEAVES[sample.classes])
    found = of_class(gaps, sample.pictures, whole)
    return (found - whole) / (own_log(sample) - whole)


def test_a_class_is_moved_towards_the_set_as_far_as_it_is_uncertain() -> None:
    weights = [weight(of_first_leaf(pixels)) for pixels in (100, 500, 5000)]
    assert 0.1 < weights[0] < weights[1] < weights[2] < 1
    assert weights[2] > 0.9


def test_how_uncertain_a_class_is_agrees_with_drawing_its_pictures_anew() -> None:
    sample = of_first_leaf(200)
    generator = torch.Generator().manual_seed(0)
    logs: list[float] = []
    for _ in range(75):
        drawn = torch.randint(25, (25,), generator=generator)
        pixels = torch.cat([(sample.pictures == one).nonzero()[:, 0] for one in drawn])
        logs.append(own_log(take(sample, pixels)))
    variance = torch.tensor(logs).var().item()
    expected = SPREAD**2 / (SPREAD**2 + variance)
    assert 0.2 < expected < 0.95
    assert weight(sample) == pytest.approx(expected, abs=0.07)


def test_pixels_that_are_repeated_make_a_class_no_more_certain() -> None:
    sample = of_first_leaf(200)
    repeated = take(sample, torch.arange(200).repeat(5))
    assert weight(repeated) == pytest.approx(weight(sample), abs=1e-3)


def test_a_class_that_is_always_right_takes_the_temperature_of_the_set() -> None:
    sample = draw(torch.full((4,), 2.0))
    first = sample.logits.argmax(1) == 0
    truth = torch.where(first, 0, sample.classes)
    found = fit(PixelSample(sample.logits, truth, sample.pictures), labels=LEAVES, names=NAMES)
    assert found.by_class["a"] == pytest.approx(found.temperature)


@pytest.mark.parametrize("wanted", [-1.3, 0.0, 0.4, 2.0])
def test_the_least_loss_is_found(wanted: float) -> None:
    assert minimize(lambda log_t: (log_t - wanted) ** 2) == pytest.approx(wanted, abs=2e-3)


def test_the_least_of_several_minima_is_found() -> None:
    found = minimize(lambda x: min((x + 1.5) ** 2, (x - 1.5) ** 2 - 0.1))
    assert found == pytest.approx(1.5, abs=2e-3)


@pytest.mark.parametrize("sign", [-1, 1])
def test_temperatures_stay_within_bounds(sign: int) -> None:
    assert minimize(lambda log_t: sign * log_t) == pytest.approx(-sign * math.log(BOUND), abs=2e-3)


def test_logits_are_divided_by_the_temperature_of_their_most_probable_leaf() -> None:
    logits = torch.tensor([[4.0, 1.0], [2.0, 8.0]])  # of two leaves at two pixels
    found = scaled(logits, torch.tensor([2.0, 4.0]))
    assert found.tolist() == [[2.0, 0.25], [1.0, 2.0]]
