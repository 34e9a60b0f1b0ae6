"""Sizes that networks take and how far they see, against networks where both are known."""

import math

import pytest
import torch
from torch import Tensor, nn

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.probing import find_multiple, measure_reach, set_unused_aside
from harmonize.models.segmenter import Segmenter, Traits


class Net(nn.Module):
    """Strided convolutions, scaled up again, to be added to the picture or not."""

    def __init__(self, strides: int, *, up: bool = True, skip: bool = True) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(3, 3, 3, 2, 1) for _ in range(strides))
        self.up, self.skip = up, skip

    def forward(self, pictures: Tensor) -> Tensor:
        found = pictures
        for layer in self.down:
            found = layer(found)
        if self.up:
            found = nn.functional.interpolate(found, scale_factor=2 ** len(self.down))
        return found + pictures if self.up and self.skip else found


class Window(nn.Module):
    """Takes multiples of a side, from a least one on."""

    def __init__(self, multiple: int, least: int = 0) -> None:
        super().__init__()
        self.multiple, self.least = multiple, least

    def forward(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[-2:]
        assert height % self.multiple == width % self.multiple == 0, f"not by {self.multiple}"
        assert min(height, width) >= self.least, "too small"
        return pictures


@pytest.mark.parametrize("on_meta", [False, True])
@pytest.mark.parametrize(
    ("network", "multiple", "least"),
    [
        (nn.Conv2d(3, 2, 3, padding=1), 1, 8),
        (Net(3), 8, 8),
        (Net(5), 32, 32),
        (Net(3, skip=False), 8, 8),  # takes any size, but its logits are a little too large
        (Net(2, up=False), 4, 8),  # smaller logits, which fit multiples alone
        (nn.Conv2d(3, 2, 32, 32), 32, 32),
        (Window(14), 14, 14),
        (Window(224), 224, 224),
        (Window(16, 50), 16, 64),
    ],
)
def test_the_multiple_and_the_least_side_are_found(
    network: nn.Module, multiple: int, least: int, on_meta: bool
) -> None:
    found = find_multiple(network, ModelConfig(), on_meta=on_meta)
    assert found == (multiple, least)
    assert network.training


def test_a_declared_multiple_is_the_only_one_that_is_tried() -> None:
    assert find_multiple(Window(7), ModelConfig(stride=21)) == (21, 21)
    with pytest.raises(HarmonizeError) as caught:
        find_multiple(Window(7), ModelConfig(name="net", stride=6))
    assert str(caught.value) == (
        "model.name: net takes pictures of none of the sizes that were tried: not by 7; declare "
        "what it takes multiples of by model.stride"
    )


def test_logits_that_lie_on_no_picture_are_refused() -> None:
    with pytest.raises(HarmonizeError, match="its logits do not lie on pictures of 384 x 1152"):
        find_multiple(nn.Conv2d(3, 2, 3), ModelConfig())


def random(network: nn.Module) -> Segmenter:
    """Return a network that no chance keeps from seeing."""
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.1, 1)
    return Segmenter(network)


@pytest.mark.parametrize(
    ("network", "reach"),
    [
        (nn.Conv2d(3, 2, 1), 0),
        (nn.Conv2d(3, 2, 3, padding=1), 1),
        (nn.Conv2d(3, 2, 3, padding=8, dilation=8), 8),
        (nn.Sequential(*(nn.Conv2d(3, 3, 5, padding=2) for _ in range(4))), 8),
        (nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=99, dilation=99) for _ in range(3))), 297),
        (nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.GroupNorm(1, 3)), math.inf),
        (nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 3, padding=999, dilation=999)), math.inf),
    ],
)
def test_the_reach_is_where_the_gradient_ends(network: nn.Module, reach: float) -> None:
    segmenter = random(network)
    with torch.inference_mode():  # as it is asked for between two tiles
        assert segmenter.reach == reach
    assert segmenter.training


def test_both_ends_of_a_stride_are_looked_at() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 8, 8), nn.Upsample(scale_factor=8))
    segmenter = random(network)
    assert measure_reach(segmenter, channels=3, stride=8) == 7


def test_a_network_without_gradient_is_not_taken_for_one_that_sees_nothing() -> None:
    network = nn.Conv2d(3, 2, 1)
    nn.init.zeros_(network.weight)
    assert Segmenter(network).reach == math.inf


def test_a_declared_reach_is_not_measured() -> None:
    assert Segmenter(nn.Conv2d(3, 2, 3, padding=1), Traits(reach=40)).reach == 40


def test_weights_that_no_logit_depends_on_are_not_trained() -> None:
    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Conv2d(3, 2, 1)
            self.norm = nn.BatchNorm2d(2)
            self.unused = nn.Linear(2, 2)

        def forward(self, pictures: Tensor) -> Tensor:
            return self.norm(self.used(pictures))

    network = Part()
    set_unused_aside(network, 3, 8)
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"used.weight", "used.bias", "norm.weight", "norm.bias"}
    assert network.training
    assert network.norm.num_batches_tracked == 0
