"""Which pixels are sampled, and with which logits."""

import pytest
import torch
from torch import nn

from arithmetic import interpolated
from harmonize.evaluation import sampling
from harmonize.evaluation.sampling import Sampler, join

MASKS = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)  # the last is ignored


def test_a_small_picture_is_sampled_at_every_labelled_pixel() -> None:
    logits = torch.randn(3, 5, 7)
    classes = torch.randint(0, 3, (5, 7))
    sampler = Sampler(MASKS, pictures=1)
    sampler.add([sampler.of(logits, classes, 4)])
    found = sampler.sample()
    known = classes < 2
    assert torch.equal(found.classes, classes[known])
    assert torch.equal(found.logits, logits[:, known].T)
    assert found.pictures.tolist() == [4] * int(known.sum())


@pytest.mark.parametrize("size", [(9, 12), (3, 4), (18, 5)])
def test_logits_are_scaled_to_the_label_as_scoring_scales_them(size: tuple[int, int]) -> None:
    logits = torch.randn(3, 6, 8)
    classes = torch.zeros(size, dtype=torch.int64)
    sampler = Sampler(MASKS, pictures=1)
    sampler.add([sampler.of(logits, classes, 0)])
    scaled = nn.functional.interpolate(logits[None], size=size, mode="bilinear")[0]
    expected = scaled.flatten(1).T
    error = interpolated(18) * 8  # neighbours of randn differ by less than eight
    torch.testing.assert_close(sampler.sample().logits, expected, atol=error, rtol=0)


def test_a_large_picture_is_sampled_on_a_regular_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_MOST", 400)
    sampler = Sampler(MASKS, pictures=4)  # a hundred pixels of each
    rows = torch.arange(300)[:, None].expand(300, 200)
    logits = torch.stack(
        [rows.float(), torch.arange(200.0).expand(300, 200), torch.zeros(300, 200)]
    )
    sampler.add([sampler.of(logits, torch.zeros(300, 200, dtype=torch.uint8), 0)])
    found = sampler.sample()
    assert 80 <= len(found) <= 100
    heights, widths = (found.logits[:, n].unique() for n in (0, 1))
    assert len(heights) * len(widths) == len(found)
    for places, side in ((heights, 300), (widths, 200)):
        gaps = places.diff()
        assert gaps.max() - gaps.min() <= 1
        assert places[0] <= gaps.max()
        assert side - places[-1] <= gaps.max()


def test_samples_of_several_processes_are_in_the_order_of_the_pictures() -> None:
    parts = [Sampler(MASKS, pictures=3) for _ in range(2)]
    for number in (2, 0, 1):
        classes = torch.full((2, 2), number % 2)
        one = parts[number % 2]
        one.add([one.of(torch.full((3, 2, 2), float(number)), classes, number)])
    found = join([part.sample() for part in parts], leaves=3)
    assert found.pictures.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.logits[:, 0].tolist() == found.pictures.tolist()
    assert len(join([], leaves=3)) == 0
