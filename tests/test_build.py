"""Networks by name, the errors of wrong names, and the normalisation of pictures."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import _api

from harmonize.config.model_config import ModelConfig
from harmonize.errors import HarmonizeError
from harmonize.models.build import build_model
from harmonize.models.unet import UNet

LIGHT = "lraspp_mobilenet_v3_large"  # the lightest of torchvision's networks


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(_api.WeightsEnum, "get_state_dict", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)


def modules(network: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    """Return the modules of a kind."""
    return [module for module in network.modules() if isinstance(module, kind)]


def test_pictures_are_normalised_by_the_statistics_of_imagenet() -> None:
    picture = torch.tensor([0, 128, 255], dtype=torch.uint8)[None, :, None, None]
    result = build_model(3, ModelConfig(width=8)).normalize(picture)
    expected = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.flatten(), torch.tensor(expected))


def test_the_unet_has_the_width_and_norm_asked_for() -> None:
    network = build_model(4, ModelConfig(width=8, norm="group")).network
    assert isinstance(network, UNet)
    assert network.head.weight.shape == (4, 8, 1, 1)
    groups = modules(network, nn.GroupNorm)
    assert len(groups) == 18
    assert all(isinstance(group, nn.GroupNorm) and group.num_groups == 8 for group in groups)
    assert not modules(network, nn.BatchNorm2d)
    assert len(modules(build_model(4, ModelConfig(width=8)), nn.BatchNorm2d)) == 18


def test_the_unet_is_64_wide_unless_told_otherwise() -> None:
    with torch.device("meta"):
        network = build_model(4).network
    assert isinstance(network, UNet)
    assert network.head.weight.shape == (4, 64, 1, 1)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_network_of_torchvision_gives_logits_of_the_pictures_size(norm: str) -> None:
    network = build_model(
        7, ModelConfig(name=LIGHT, norm="group" if norm == "group" else "batch")
    ).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, 33, 48))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 7, 33, 48)
    assert logits.isfinite().all()


def test_group_norm_takes_the_place_of_every_batch_norm() -> None:
    batch, group = (
        build_model(3, ModelConfig(name=LIGHT)),
        build_model(3, ModelConfig(name=LIGHT, norm="group")),
    )
    batch_norms = modules(batch, nn.BatchNorm2d)
    assert len(batch_norms) > 40
    assert not modules(group, nn.modules.batchnorm._BatchNorm)
    channels = [module.num_features for module in batch_norms if isinstance(module, nn.BatchNorm2d)]
    group_norms = modules(group, nn.GroupNorm)
    assert [m.num_channels for m in group_norms if isinstance(m, nn.GroupNorm)] == channels
    assert {m.num_groups for m in group_norms if isinstance(m, nn.GroupNorm)} == {8}


def test_group_norm_treats_each_picture_alone() -> None:
    network = build_model(3, ModelConfig(name=LIGHT, norm="group")).double().train()
    for module in modules(network, nn.Dropout):
        module.eval()
    both = torch.randn(2, 3, 64, 64, dtype=torch.double)
    both[1] *= 5
    with torch.no_grad():
        torch.testing.assert_close(network(both)[:1], network(both[:1]))


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build_model(3, ModelConfig(name=LIGHT)).state_dict())
    assert all(torch.equal(weights, states[1][name]) for name, weights in states[0].items())
    assert any(not torch.equal(weights, states[2][name]) for name, weights in states[0].items())


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("unett", "did you mean unet or "),
        ("deeplabv3_resnet5", "did you mean deeplabv3_resnet50 or deeplabv3_resnet101 or "),
        ("lraspp_mobilenet_v3", "did you mean lraspp_mobilenet_v3_large"),
        ("resnet50", "did you mean fcn_resnet50"),
        ("zzz", "choose from: unet, deeplabv3_mobilenet_v3_large, deeplabv3_resnet101, "),
    ],
)
def test_an_unknown_network_is_named_with_near_matches(name: str, advice: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, ModelConfig(name=name))
    assert str(caught.value).startswith(f"model.name: no network {name!r}; {advice}")


def test_a_width_belongs_to_the_unet() -> None:
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, ModelConfig(name=LIGHT, width=16))
    assert str(caught.value) == f"model.width: belongs to unet, not to {LIGHT}; remove it"


@pytest.mark.parametrize("width", [1, 12, 63])
def test_group_norm_needs_a_width_that_its_groups_divide(width: int) -> None:
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, ModelConfig(width=width, norm="group"))
    assert str(caught.value) == f"model.width: group norm needs a multiple of 8, got {width}"
    assert isinstance(build_model(3, ModelConfig(width=width)).network, UNet)


def test_activations_computed_anew_give_the_same_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        config = ModelConfig(name="fpn", encoder="convnext_atto", checkpointing=checkpointing)
        network = build_model(3, config).train()
        switches = [getattr(part, "grad_checkpointing", False) for part in network.modules()]
        assert any(switches) is checkpointing
        torch.manual_seed(0)
        network(
            torch.linspace(0, 255, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
        ).square().sum().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    for without, anew in zip(*gradients, strict=True):
        torch.testing.assert_close(anew, without)  # the same operations, in another order at most


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ModelConfig(weights="x.pth"), "model.weights: belongs to a decoder, torchvision, "),
        (ModelConfig(args={"depth": 3}), "model.args: belongs to a decoder, torchvision, "),
        (
            ModelConfig(checkpointing=True),
            "model.checkpointing: belongs to a decoder, ",
        ),
        (
            ModelConfig(name=LIGHT, encoder="resnet18"),
            "model.encoder: belongs to a decoder, ",
        ),
        (
            ModelConfig(name=LIGHT, stride=3),
            "model.stride: belongs to a decoder, ",
        ),
        (ModelConfig(name=LIGHT, channels=4), f"model.channels: {LIGHT} takes 3 bands, got 4"),
        (
            ModelConfig(name=LIGHT, args={"nothing": 1}),
            f"model.args.nothing: {LIGHT} has no such argument; there is nothing to choose from",
        ),
        (
            ModelConfig(name="fcn_resnet50", args={"auxloss": True}),
            "model.args.auxloss: fcn_resnet50 has no such argument; did you mean aux_loss?",
        ),
        (
            ModelConfig(name=LIGHT, args={"num_classes": 4}),
            "model.args.num_classes: is decided by weights and the tree; remove it",
        ),
        (
            ModelConfig(name=LIGHT, weights="hub"),
            f"model.weights: hub: there is none for the backbone of {LIGHT}; give a file (",
        ),
        (
            ModelConfig(name="fpn"),
            "model.encoder: fpn needs one, such as resnet50 or tf_efficientnet_lite0",
        ),
    ],
)
def test_keys_that_a_network_does_not_take_are_named(config: ModelConfig, expected: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        build_model(3, config)
    assert str(caught.value).startswith(expected)


def test_a_backbone_of_torchvision_takes_weights_and_an_auxiliary_head(tmp_path: Path) -> None:
    name = "fcn_resnet50"
    source = build_model(2, ModelConfig(name=name)).get_submodule("network.backbone")
    torch.save({f"module.{k}": v for k, v in source.state_dict().items()}, tmp_path / "x.pth")
    model = ModelConfig(name=name, weights=str(tmp_path / "x.pth"), args={"aux_loss": True})
    network = build_model(3, model)
    loaded = network.get_submodule("network.backbone").state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in source.state_dict().items())
    assert len(network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), auxiliary=True)) == 2
    assert [len(list(stage.parameters())) for stage in network.encoder_stages] == [
        *(
            3,
            30,
            39,
            57,
            30,
        )  # 3 convolutions and norms in each of 3, 4, 6, 3 blocks, and a shortcut
    ]


def test_the_unet_takes_pictures_of_other_bands() -> None:
    network = build_model(3, ModelConfig(width=8, channels=5))
    assert network(torch.zeros(1, 5, 20, 17, dtype=torch.uint8)).shape == (1, 3, 20, 17)
    assert network.encoder_stages == ()
    assert (network.stride, network.reach) == (16, 107)
    assert network.may_compile
    assert network.may_export


def test_a_declared_reach_is_taken() -> None:
    assert build_model(3, ModelConfig(width=8, reach=5)).reach == 5
