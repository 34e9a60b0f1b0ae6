"""Weights fitted by name and by order, and the counts of what fits."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.models.weight_matching import by_position, load_matching, plain_name


def encoder(channels: int = 3) -> nn.Module:
    """Return an encoder of 3 x 2 tensors and a count of batches."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 2, 1),
            bn1=nn.BatchNorm2d(2),
            layer1=nn.Sequential(nn.Conv2d(2, 4, 1)),
        )
    )


def state(channels: int = 3) -> dict[str, Tensor]:
    """Return other weights of such an encoder."""
    torch.manual_seed(7)
    return {key: torch.rand_like(t.float()) for key, t in encoder(channels).state_dict().items()}


def load(network: nn.Module, weights: dict[str, Tensor], **options: object) -> None:
    """Load weights that come from ``file`` into ``net``."""
    load_matching(network, weights, where="file", name="net", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("layer1.0.weight", "layer1_0_weight"),
        ("stages_0.blocks.1.weight", "stages_0_blocks_1_weight"),
        ("module.encoder.model.layer1.0.weight", "layer1_0_weight"),
        ("model/network.encoder.model.conv1.weight", "conv1_weight"),
        ("_orig_mod.backbone.conv1.weight", "conv1_weight"),
        ("decoder.conv1.weight", "decoder_conv1_weight"),
        ("layer1.encoder.weight", "layer1_encoder_weight"),
        ("models.weight", "models_weight"),
    ],
)
def test_names_are_compared_without_what_wraps_a_network(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.encoder.", "model."])
def test_weights_fit_by_name_in_any_order(prefix: str) -> None:
    network, weights = encoder(), state()
    given = {prefix + key: weights[key] for key in reversed(weights)}
    load(network, {**given, "fc.weight": torch.zeros(9)})
    for key, tensor in network.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(tensor, weights[key])


def test_of_two_copies_the_one_with_the_shorter_name_is_taken() -> None:
    network, weights = encoder(), state()
    load(network, {**{f"module.{key}": 0 * t for key, t in weights.items()}, **weights})
    assert torch.equal(network.state_dict()["conv1.weight"], weights["conv1.weight"])


def test_what_does_not_fit_is_counted() -> None:
    weights = state()
    del weights["conv1.bias"]
    weights["layer1.0.weight"] = torch.zeros(4, 3, 1, 1)
    with pytest.raises(HarmonizeError) as caught:
        load(encoder(), weights)
    assert str(caught.value) == (
        "model.weights: file: 6 of the 8 tensors of net fit, 'conv1.bias' does not; give weights "
        "of net, or say model.weights_partial: true"
    )
    network = encoder()
    load(network, weights, partial=True)
    assert torch.equal(network.state_dict()["conv1.weight"], weights["conv1.weight"])


@pytest.mark.parametrize("partial", [False, True])
def test_weights_of_which_nothing_fits_are_refused(partial: bool) -> None:
    with pytest.raises(HarmonizeError) as caught:
        load(encoder(), {"other": torch.zeros(2)}, partial=partial)
    assert str(caught.value) == (
        "model.weights: file: 0 of the 8 tensors of net fit, 'conv1.weight' does not; give weights "
        "of net"
    )


def test_only_what_is_needed_must_fit() -> None:
    weights = state()
    weights["layer1.0.weight"] = torch.zeros(9, 2, 1, 1)  # a head for other classes
    network = encoder()
    load(network, weights, needed="conv1.")
    assert torch.equal(network.state_dict()["bn1.bias"], weights["bn1.bias"])
    with pytest.raises(HarmonizeError, match="1 of the 2 tensors of net fit"):
        load(network, weights, needed="layer1.")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, [[6.0]]), (2, [[1.5, 3.0]]), (4, [[0.75, 1.5, 2.25, 0.75]]), (6, [[0.5, 1, 1.5] * 2])],
)
def test_a_first_convolution_is_widened_by_repeating_its_bands(
    channels: int, expected: list[list[float]]
) -> None:
    network = nn.Conv2d(channels, 1, 1)
    weights = {"weight": torch.tensor([[1.0, 2, 3]])[..., None, None], "bias": torch.ones(1)}
    load(network, weights, channels=channels)
    torch.testing.assert_close(network.weight[..., 0, 0].detach(), torch.tensor(expected))


def test_order_decides_only_if_the_number_and_all_shapes_are_equal() -> None:
    whole, weights = encoder().state_dict(), state()
    other = {f"x{number}": tensor for number, tensor in enumerate(weights.values())}
    other["y.num_batches_tracked"] = torch.tensor(3)
    del other["x6"]  # of the count of batches
    found = by_position(other, whole)
    assert found is not None
    assert all(torch.equal(tensor, weights[key]) for key, tensor in found.items())
    assert len(found) == 8
    assert by_position({**other, "more": torch.zeros(1)}, whole) is None
    assert by_position({key: other[key] for key in list(other)[:-2]}, whole) is None
    assert by_position({**other, "x0": torch.zeros(2, 3, 1)}, whole) is None
    swapped = {key: other[key] for key in ["x7", *(key for key in other if key != "x7")]}
    assert by_position(swapped, whole) is None


def test_order_is_tried_where_no_name_fits() -> None:
    network, weights = encoder(), state()
    named = {key: tensor for key, tensor in weights.items() if "num_batches" not in key}
    other = {f"x{number}": tensor for number, tensor in enumerate(named.values())}
    load(network, other, whole=network.state_dict())
    assert torch.equal(network.state_dict()["layer1.0.bias"], weights["layer1.0.bias"])
    some = {**other, "conv1.weight": torch.zeros(1)}
    with pytest.raises(HarmonizeError, match="0 of the 8 tensors"):
        load(network, some, whole=network.state_dict())
