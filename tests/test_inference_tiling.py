"""Tiles, their blending, and logits scaled strip by strip."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from arithmetic import ROUNDING
from harmonize.decoding.tiling import RAMP, Tiling, bands
from harmonize.models.unet import REACH, UNet


def whole(found: list[tuple[int, Tensor]]) -> Tensor:
    """Join bands, each without the row that it repeats."""
    return torch.cat([band[:, bool(top) :] for top, band in found], dim=1)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return UNet(5, 2).double().eval()


@pytest.mark.parametrize("length", [1, 319, 320, 321, 512, 640, 1000, 1001])
@pytest.mark.parametrize("tile", [288, 352, 500])
def test_the_used_parts_of_tiles_cover_an_axis_and_overlap_by_the_ramp(
    length: int, tile: int
) -> None:
    spans = Tiling(tile).cut(length)
    assert spans[0].first == 0
    assert spans[-1].last == spans[-1].stop == length
    for before, after in pairwise(spans):
        assert before.last - after.first == RAMP
        assert before.stop - before.last == 112 == after.first - after.start
        assert after.start % 32 == 0
    assert all(0 < span.stop - span.start <= tile for span in spans)


@pytest.mark.parametrize("shape", [(600, 380), (380, 600), (450, 420)])
def test_tiles_and_the_whole_picture_give_the_same_logits(
    network: nn.Module, shape: tuple[int, int]
) -> None:
    picture = torch.rand(3, *shape, dtype=torch.double)
    with torch.inference_mode():
        expected = network(picture[None])[0].log_softmax(0)
        given: list[tuple[int, int]] = []

        def run(part: Tensor) -> Tensor:
            given.append((part.shape[1], part.shape[2]))
            return network(part[None])[0]

        found = whole(list(bands(run, picture, Tiling(384))))
    assert len(given) > 1
    assert found.shape == expected.shape
    # Tiles are blended in float32: a few roundings of logits, and of log p, of this size.
    largest = expected.abs().max().item()
    torch.testing.assert_close(found.double(), expected, atol=16 * ROUNDING * largest, rtol=0)


def test_a_small_picture_goes_through_the_network_as_it_is() -> None:
    picture = torch.rand(3, 320, 320)
    ((top, band),) = bands(lambda part: part * 7, picture, Tiling(320))
    assert top == 0
    assert torch.equal(band, picture * 7)


def test_tiles_that_disagree_fade_into_each_other() -> None:
    seen: list[float] = []

    def run(part: Tensor) -> Tensor:
        seen.append(0.9 if len(seen) % 2 else 0.1)  # the probability of the first of two leaves
        p = torch.full((1, *part.shape[1:]), seen[-1])
        return torch.cat([p, 1 - p]).log() + 5

    found = whole(list(bands(run, torch.rand(3, 4000, 30), Tiling(320)))).exp()
    assert torch.allclose(found.sum(0), torch.ones(()))
    steps = found[0, 1:] - found[0, :-1]
    assert len(seen) > 2
    assert steps.abs().max() < 1.01 * 0.8 / RAMP
    assert found[0].max() == pytest.approx(0.9)
    assert found[0].min() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("tile", "reach", "stride", "margin", "grid"),
    [
        (768, 107, 16, 112, 32),  # our U-Net
        (288, 107, 16, 112, 32),
        (768, 16, 1, 16, 32),
        (768, 17, 1, 32, 32),
        (768, 0, 8, 0, 32),
        (768, 190, 32, 192, 32),
        (768, 193, 32, 192, 32),  # sees further than a quarter of the tile
        (1024, 193, 32, 208, 32),
        (288, 500, 32, 112, 32),
        (768, math.inf, 14, 112, 224),
    ],
)
def test_tiles_spare_what_a_network_sees_up_to_a_quarter_of_them(
    tile: int, reach: float, stride: int, margin: int, grid: int
) -> None:
    assert Tiling.fit(tile, reach=reach, stride=stride) == Tiling(tile, margin, grid)


@pytest.mark.parametrize("stride", [1, 14, 16, 32, 224])
@pytest.mark.parametrize("reach", [0, 107, 200, 1000, math.inf])
def test_the_least_tile_can_be_cut_whatever_a_network_sees(stride: int, reach: float) -> None:
    least = Tiling.least_tile(stride)
    for tile in (least, least + 33, 2 * least):
        spans = Tiling.fit(tile, reach=reach, stride=stride).cut(3000)
        assert spans[-1].last == 3000
        assert all(span.stop - span.start <= tile for span in spans)
        assert all(after.start > before.start for before, after in pairwise(spans))


def test_the_margin_is_beyond_the_reach_of_the_unet() -> None:
    network = UNet(2, 8).double().eval()
    for row in (240, 255):
        picture = torch.rand(1, 3, 496, 16, dtype=torch.double, requires_grad=True)
        network(picture)[0, :, row, 8].sum().backward()
        assert picture.grad is not None
        rows = picture.grad.abs().sum((0, 1, 3)).nonzero().flatten()
        assert 80 < row - int(rows.min()) <= REACH["batch"]
        assert int(rows.max()) - row <= REACH["batch"]
