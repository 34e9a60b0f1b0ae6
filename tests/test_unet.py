"""The U-Net: shapes for every picture size, widths, initial weights, and its normalisation."""

import math
from itertools import pairwise
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harmonize.models.unet import UNet

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def make(
    *, leaves: int = 3, width: int = 8, norm: Literal["batch", "group"] = "group", seed: int = 0
) -> UNet:
    """Return a small network with known weights."""
    torch.manual_seed(seed)
    return UNet(leaves, width, norm=norm)


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 40), (15, 16), (16, 16), (17, 33), (31, 2), (48, 32)]
)
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_every_picture_size_gets_its_logits(
    height: int, width: int, norm: Literal["batch", "group"]
) -> None:
    net = make(leaves=5, norm=norm).eval()
    logits = net(pictures(2, 3, height, width))
    assert logits.shape == (2, 5, height, width)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.std() > 0


@settings(max_examples=8)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_padding_repeats_the_border_at_the_right_and_bottom(height: int, width: int) -> None:
    net = make().double().eval()  # other sizes are summed in other orders
    picture = pictures(1, 3, height, width).double()
    rows = torch.arange(math.ceil(height / 16) * 16).clamp(max=height - 1)
    columns = torch.arange(math.ceil(width / 16) * 16).clamp(max=width - 1)
    padded = picture[:, :, rows[:, None], columns]
    with torch.no_grad():
        torch.testing.assert_close(net(picture), net(padded)[..., :height, :width])


def test_a_tiny_and_an_odd_picture_train_with_group_norm() -> None:
    net = make()
    for height, width in ((1, 1), (17, 33)):
        net.zero_grad()
        net(pictures(1, 3, height, width)).square().sum().backward()
        gradients = [parameter.grad for parameter in net.parameters()]
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
        assert net.head.weight.grad is not None
        assert net.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("width", [8, 24])
def test_widths_double_at_each_of_five_levels(width: int) -> None:
    net = make(leaves=7, width=width)
    channels = {
        part: [
            (module.in_channels, module.out_channels)
            for module in getattr(net, part).modules()
            if isinstance(module, CONVOLUTIONS)
        ]
        for part in ("down", "enlarge", "up", "head")
    }
    w = width
    assert channels["down"] == [
        *[(3, w), (w, w), (w, 2 * w), (2 * w, 2 * w), (2 * w, 4 * w), (4 * w, 4 * w)],
        *[(4 * w, 8 * w), (8 * w, 8 * w), (8 * w, 16 * w), (16 * w, 16 * w)],
    ]
    assert channels["enlarge"] == [(2 * w, w), (4 * w, 2 * w), (8 * w, 4 * w), (16 * w, 8 * w)]
    assert channels["up"] == [
        *[(2 * w, w), (w, w), (4 * w, 2 * w), (2 * w, 2 * w)],
        *[(8 * w, 4 * w), (4 * w, 4 * w), (16 * w, 8 * w), (8 * w, 8 * w)],
    ]
    assert channels["head"] == [(w, 7)]


def test_width_64_has_the_parameters_of_the_papers_network() -> None:
    # 3 x 3 convolutions have no bias, norms a scale and a shift, 2 x 2 transposed ones a bias.
    widths = [64, 128, 256, 512, 1024]
    number = 64 * 11 + 11
    for before, after in zip([3, *widths], widths, strict=False):
        number += 9 * (before * after + after * after) + 4 * after
    for above, below in pairwise(widths):
        number += 4 * below * above + above
        number += 9 * (2 * above * above + above * above) + 4 * above
    with torch.device("meta"):
        net = UNet(11)
    assert sum(parameter.numel() for parameter in net.parameters()) == number
    assert 31_000_000 < number < 31_100_000


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_weights_are_kaiming_uniform_and_biases_zero(norm: Literal["batch", "group"]) -> None:
    net = make(leaves=9, width=16, norm=norm)
    layers = [module for module in net.modules() if isinstance(module, CONVOLUTIONS)]
    assert len(layers) == 10 + 4 + 8 + 1
    for layer in layers:
        # torch's fan-in: the second axis of the weights times the kernel's area.
        bound = math.sqrt(6 / (layer.weight.shape[1] * layer.weight[0, 0].numel()))
        weights = layer.weight.detach()
        assert weights.abs().max() <= bound
        assert weights.max() > 0.9 * bound
        assert weights.min() < -0.9 * bound
        # The variance of a uniform distribution, within sampling error.
        error = 4 / math.sqrt(weights.numel())
        assert weights.var().item() == pytest.approx(bound**2 / 3, rel=error)
        if layer.bias is not None:
            assert (layer.bias == 0).all()
    assert net.head.bias is not None


def test_convolutions_before_a_norm_have_no_bias() -> None:
    net = make()
    with_bias = {name for name, _ in net.named_parameters() if name.endswith("bias")}
    norms = {f"{part}.{i}.{j}.bias" for part in ("down", "up") for i in range(5) for j in (1, 4)}
    norms -= {"up.4.1.bias", "up.4.4.bias"}
    assert with_bias == norms | {f"enlarge.{i}.bias" for i in range(4)} | {"head.bias"}


def test_the_same_seed_gives_the_same_weights() -> None:
    one, again, other = make(seed=1), make(seed=1), make(seed=2)
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name])
    assert not torch.equal(one.head.weight, other.head.weight)


def test_group_norm_treats_each_picture_alone() -> None:
    net = make().double().train()
    both = pictures(2, 3, 20, 24).double()
    both[1] *= 9
    together = net(both)
    torch.testing.assert_close(together[:1], net(both[:1]))
    torch.testing.assert_close(together[1:], net(both[1:]))
    assert not [name for name, _ in net.named_buffers()]  # no running statistics


def test_batch_norm_shares_its_statistics_only_while_training() -> None:
    net = make(norm="batch").double()
    both = pictures(2, 3, 32, 32).double()
    both[1] *= 9
    training = net.train()(both)
    assert (training[:1] - net(both[:1])).abs().max() > 0.01
    torch.testing.assert_close(net.eval()(both)[:1], net(both[:1]))


def test_the_skip_connections_reach_the_top() -> None:
    # With the way through the deepest level cut, the logits still see single pixels.
    net = make().eval()
    with torch.no_grad():
        for layer in net.enlarge:
            assert isinstance(layer, nn.ConvTranspose2d)
            layer.weight.zero_()
        picture = pictures(1, 3, 32, 32)
        changed = picture.clone()
        changed[0, :, 5, 5] += 5
        difference = (net(picture) - net(changed)).abs().sum(dim=(0, 1))
    assert difference[5, 5] > 0.1
